#include "engine/fuse.h"

#include <algorithm>

namespace intaglio {
namespace {

int readers(const std::vector<OpSpec>& specs, const std::string& map) {
  int count = 0;
  for (const OpSpec& spec : specs) count += static_cast<int>(std::count(spec.inputs.begin(), spec.inputs.end(), map));
  return count;
}

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
  std::vector<OpSpec> fused;
  for (size_t i = 0; i < specs.size(); ++i) {
    const bool joins = i + 1 < specs.size() && is_plain_conv(specs[i]) && sums(specs[i + 1], specs[i]) && readers(specs, specs[i].output) == 1;
    if (!joins) {
      fused.push_back(specs[i]);
      continue;
    }
    const OpSpec& add = specs[i + 1];
    OpSpec conv = specs[i];
    const bool first = add.inputs[0] == conv.output;  // add is inputs[0] + scale * inputs[1]
    conv.inputs.push_back(add.inputs[first ? 1 : 0]);
    conv.attrs[first ? "residual_scale" : "own_scale"] = add.attrs.at("scale");
    conv.output = add.output;
    fused.push_back(std::move(conv));
    ++i;
  }
  return fused;
}

}  // namespace intaglio
