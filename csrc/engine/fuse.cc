#include "engine/fuse.h"

#include <map>
#include <string>
#include <utility>

namespace intaglio {
namespace {

bool is_plain_conv(const OpSpec& spec) {
  if (spec.kind != "conv2d" || spec.inputs.size() != 1) return false;
  const auto act = spec.attrs.find("act");
  const auto* name = act == spec.attrs.end() ? nullptr : std::get_if<std::string>(&act->second);
  return name && *name == "none";
}

// Only what is sound is fused; what is not is left for its operation to refuse.
bool sums(const OpSpec& add, const OpSpec& conv) {
  if (add.kind != "add" || add.inputs.size() != 2 || !add.attrs.contains("scale")) return false;
  return add.inputs[0] != add.inputs[1] && (add.inputs[0] == conv.output || add.inputs[1] == conv.output);
}

}  // namespace

std::vector<OpSpec> fuse_sums(std::vector<OpSpec> specs) {
  std::map<std::string, int> readers;
  for (const OpSpec& spec : specs) {
    for (const std::string& input : spec.inputs) ++readers[input];
  }
  std::vector<OpSpec> fused;
  for (size_t i = 0; i < specs.size(); ++i) {
    OpSpec spec = std::move(specs[i]);
    if (i + 1 < specs.size() && is_plain_conv(spec) && sums(specs[i + 1], spec) && readers[spec.output] == 1) {
      OpSpec& add = specs[++i];
      const bool first = add.inputs[0] == spec.output;  // add is inputs[0] + scale * inputs[1]
      spec.inputs.push_back(add.inputs[first ? 1 : 0]);
      spec.attrs[first ? "residual_scale" : "own_scale"] = add.attrs.at("scale");
      spec.output = add.output;
    }
    fused.push_back(std::move(spec));
  }
  return fused;
}

}  // namespace intaglio
