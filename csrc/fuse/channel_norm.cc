// A layer_norm over the channels of a map, which the program writes as permute to tokens, layer_norm, permute back: one pass over the planes.
// Exact up to the rounding of its sums, as `layer_norm` itself: the same mean, variance and scale of each pixel, and permutes change no number.
#include "fuse/fuse.h"

#include <algorithm>

namespace intaglio {
namespace {

const std::vector<int64_t> to_tokens{0, 2, 3, 1}, to_map{0, 3, 1, 2};

bool is_permute(const OpSpec* spec, const std::vector<int64_t>& axes) { return spec && spec->kind == "permute" && spec->integers("axes") == axes; }

}  // namespace

void fuse_channel_norms(Graph& graph) {
  for (size_t i = 0; i < graph.size(); ++i) {
    const OpSpec& spec = graph.at(i);
    if (spec.kind != "layer_norm") continue;
    const OpSpec* before = graph.writer(spec.inputs[0]);
    if (!is_permute(before, to_tokens)) continue;
    const SymbolicShape& map = graph.shape(before->inputs[0]);
    if (map.size() != 4 || !map[0].is(1)) continue;
    const auto& readers = graph.readers(spec.output);
    const bool back = std::all_of(readers.begin(), readers.end(), [&](size_t reader) { return is_permute(&graph.at(reader), to_map); });
    if (!graph.read_once(before->output) && !back) {
      graph.remark("channel_norm", spec.name, "its tokens are read by other operations too");
      continue;
    }
    OpSpec norm = spec, permute = make_spec("permute", before->name, {graph.fresh()}, spec.output, {{"axes", to_tokens}});
    norm.kind = "channel_norm";
    norm.inputs = {before->inputs[0]};
    norm.output = permute.inputs[0];
    graph.replace(i, {norm, permute});
  }
}

}  // namespace intaglio
