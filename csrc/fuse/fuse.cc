#include "fuse/fuse.h"

#include <initializer_list>

namespace intaglio {

Fused fuse(std::vector<OpSpec> specs, const KernelTable& kernels) {
  Graph graph(std::move(specs));
  const auto until_steady = [&](std::initializer_list<void (*)(Graph&)> passes) {
    for (bool changed = true; changed;) {
      changed = false;
      for (const auto pass : passes) {
        pass(graph);
        changed = graph.apply() || changed;
      }
    }
  };
  until_steady({merge_moves});
  fuse_swin_blocks(graph, kernels);
  graph.apply();
  fuse_attention(graph, kernels);
  graph.apply();
  until_steady({merge_moves, sink_permutes, fuse_channel_norms});
  for (const auto pass : {fuse_activations, fuse_sums, fuse_products, fuse_scales, fuse_code_chains}) {
    pass(graph);
    graph.apply();
  }
  Fused fused;
  fused.specs = graph.take_specs();
  fused.remarks = graph.take_remarks();
  return fused;
}

}  // namespace intaglio
