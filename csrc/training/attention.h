// Attention on quantized operands over all heads of all windows; the arithmetic is in attention_kernel.h.
#pragma once

#include <cstdint>
#include <vector>

#include "training/attention_args.h"

namespace intaglio::training {

// [windows][heads][tokens][channels]: adjacent channels, the other axes that many floats apart.
template <class T>
struct Heads {
  T* data;
  int64_t window, head, token;
};

struct AttentionShape {
  int64_t windows, heads;
  int tokens, channels;
  int64_t maps;  // of the bias: window w has the one with number w % maps
};

struct AttentionInputs {
  AttentionShape shape;
  Heads<const float> q, k, v;
  const float* bias;  // [maps][heads][tokens][tokens]
  Grid q_grid, k_grid, shares_grid, v_grid;
};

// The instruction sets of this build that this machine can run, slowest first.
const std::vector<const AttentionTable*>& attention_tables();

void attention(const AttentionInputs& in, const Heads<float>& out, const AttentionTable& table, int threads);

struct AttentionGradients {
  Heads<float> q, k, v;
};

// Returns the gradients of the bounds of q, k, shares and v; the same ones for any number of threads.
std::vector<BoundGradients> attention_backward(const AttentionInputs& in, const Heads<const float>& grad, const AttentionGradients& out,
                                               const AttentionTable& table, int threads);

}  // namespace intaglio::training
