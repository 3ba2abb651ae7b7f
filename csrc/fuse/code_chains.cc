// Convolutions that follow each other hand codes on, not floats: whoever writes a map quantizes it, on the grid that all of its readers share, while its
// results are in the first-level cache. A quarter of the memory is written and read, and nothing is quantized twice. Exact: the same grid, the same
// roundings, the same codes.
#include <algorithm>
#include <map>

#include "fuse/fuse.h"
#include "ops/conv.h"

namespace intaglio {
namespace {

bool is_conv(const OpSpec& spec) { return (spec.kind == "conv2d" || spec.kind == "fused_conv") && has_conv_kernel(spec); }

// Whether it reads that value as codes, and nothing else of it.
bool reads_codes(const OpSpec& spec, const std::string& value) {
  return is_conv(spec) && spec.has_codes("weight.codes") && spec.inputs[0] == value && std::count(spec.inputs.begin(), spec.inputs.end(), value) == 1;
}

}  // namespace

void fuse_code_chains(Graph& graph) {
  std::map<size_t, OpSpec> changed;
  const auto change = [&](size_t index) -> OpSpec& { return changed.try_emplace(index, graph.at(index)).first->second; };
  for (size_t i = 0; i < graph.size(); ++i) {
    const OpSpec& writer = graph.at(i);
    if (!is_conv(writer)) continue;
    const auto& readers = graph.readers(writer.output);
    if (readers.empty() || !std::all_of(readers.begin(), readers.end(), [&](size_t reader) { return reads_codes(graph.at(reader), writer.output); })) continue;
    const Grid grid = graph.at(readers.front()).grid("input");
    if (!std::all_of(readers.begin(), readers.end(), [&](size_t reader) { return graph.at(reader).grid("input") == grid; })) {
      graph.remark("chain of codes", writer.name, "its readers have different grids");
      continue;
    }
    change(i).sites["output"] = {grid};
    for (size_t reader : readers) change(reader).attrs["packed_in"] = int64_t{1};
  }
  for (auto& [index, spec] : changed) graph.replace(index, {std::move(spec)});
}

}  // namespace intaglio
