// Convolutions hand codes on, not floats: whoever writes a map quantizes it, on the grid of the convolutions that read it, while its results are in
// registers. A quarter of the memory is written and read, and nothing is quantized twice. Where others read it too, or on another grid, it writes floats
// beside the codes, as the first planes of one map. Exact: the same grid, the same roundings, the same codes.
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

class Chains {
 public:
  explicit Chains(Graph& graph) : graph_(graph) {}

  // The value of the convolution at that place as codes, for whom reads them on the grid of the first who does.
  void write_codes(size_t index) {
    const OpSpec& writer = graph_.at(index);
    const auto& readers = graph_.readers(writer.output);
    std::vector<size_t> of_codes, of_grid;
    for (size_t reader : readers) {
      if (reads_codes(graph_.at(reader), writer.output)) of_codes.push_back(reader);
    }
    if (of_codes.empty()) return;
    const Grid grid = graph_.at(of_codes.front()).grid("input");
    std::copy_if(of_codes.begin(), of_codes.end(), std::back_inserter(of_grid), [&](size_t reader) { return graph_.at(reader).grid("input") == grid; });
    if (of_grid.size() < of_codes.size()) graph_.remark("chain of codes", writer.name, "its readers have different grids");
    const bool floats_too = of_grid.size() < readers.size();
    if (floats_too && !graph_.shape(writer.output)[0].is(1)) return graph_.remark("chain of codes", writer.name, "its map is not known to be of one picture");
    change(index).sites["output"] = {grid};
    for (size_t reader : of_grid) change(reader).attrs["packed_in"] = int64_t{1};
    if (floats_too) write_both(index, of_grid);
  }

  void apply() {
    for (auto& [index, spec] : changed_) {
      std::vector<OpSpec> with{std::move(spec)};
      if (const auto found = views_.find(index); found != views_.end()) std::move(found->second.begin(), found->second.end(), std::back_inserter(with));
      graph_.replace(index, std::move(with));
    }
  }

 private:
  OpSpec& change(size_t index) { return changed_.try_emplace(index, graph_.at(index)).first->second; }

  void write_both(size_t index, const std::vector<size_t>& of_grid) {
    OpSpec& writer = change(index);
    const int64_t outputs = writer.shape_of("weight")[0];
    const std::string floats = writer.output, codes = graph_.fresh();
    writer.output = graph_.fresh();
    writer.attrs["floats_too"] = int64_t{1};
    views_[index] = {make_spec("planes_of", writer.name, {writer.output}, codes, {{"first", outputs}, {"planes", (outputs + 3) / 4}}),
                     make_spec("planes_of", writer.name, {writer.output}, floats, {{"first", int64_t{0}}, {"planes", outputs}})};
    for (size_t reader : of_grid) change(reader).inputs[0] = codes;
  }

  Graph& graph_;
  std::map<size_t, OpSpec> changed_;
  std::map<size_t, std::vector<OpSpec>> views_;
};

}  // namespace

void fuse_code_chains(Graph& graph) {
  Chains chains(graph);
  for (size_t i = 0; i < graph.size(); ++i) {
    if (is_conv(graph.at(i))) chains.write_codes(i);
  }
  chains.apply();
}

}  // namespace intaglio
