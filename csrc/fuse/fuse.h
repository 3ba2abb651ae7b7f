// Fusion: a verified program becomes one of fewer, larger operations with the same meaning. Each pattern has a file, which says why it is exact.
#pragma once

#include <vector>

#include "fuse/graph.h"
#include "isa/kernel_table.h"

namespace intaglio {

struct Fused {
  std::vector<OpSpec> specs;
  std::vector<Remark> remarks;
};

Fused fuse(std::vector<OpSpec> specs, const KernelTable& kernels);

// Each looks through the whole program once and says what to change; `Graph::apply` changes it.
void merge_moves(Graph& graph);          // permute after permute, reshape after reshape
void sink_permutes(Graph& graph);        // a sum of permuted values is a permuted sum
void fuse_swin_blocks(Graph& graph, const KernelTable& kernels);  // layer_norm, linear, matmul, softmax, … to window_block
void fuse_attention(Graph& graph, const KernelTable& kernels);    // matmul, sums, softmax, matmul to attention
void fuse_channel_norms(Graph& graph);   // layer_norm of tokens that were a map to channel_norm
void fuse_activations(Graph& graph);     // conv2d and its activation to fused_conv
void fuse_sums(Graph& graph);            // conv2d, its activation and the sum behind it to fused_conv
void fuse_products(Graph& graph);        // likewise with a product
void fuse_code_chains(Graph& graph);     // convolutions that follow each other hand on codes
void fuse_scales(Graph& graph);          // a sum with a scaled value to scaled_add

}  // namespace intaglio
