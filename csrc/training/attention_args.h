// What the kernels of quantized attention see: one head of one window. No intrinsics here.
#pragma once

#include <cstdint>

#include "training/grid.h"

namespace intaglio::training {

// Rows of adjacent floats, `stride` floats apart.
template <class T>
struct Rows {
  T* data;
  int64_t stride;
};

struct HeadArgs {
  int tokens, channels;
  Rows<const float> q, k, v;  // [tokens][channels]
  const float* bias;          // [tokens][tokens], added to the scores
  GridConstants q_grid, k_grid, shares_grid, v_grid;  // shares: what the softmax gives
  float* scratch;  // zeros before a thread's first head, then left from head to head
};

struct HeadForwardArgs {
  HeadArgs head;
  Rows<float> out;  // [tokens][channels]
};

struct HeadBackwardArgs {
  HeadArgs head;
  Rows<const float> grad;           // of the output
  Rows<float> grad_q, grad_k, grad_v;
  BoundGradients* bounds;  // of the grids of q, k, shares and v
};

// The kernels of one instruction set.
struct AttentionTable {
  const char* isa;
  int64_t (*scratch)(int tokens, int channels);  // floats that either kernel takes
  void (*forward)(const HeadForwardArgs&);
  void (*backward)(const HeadBackwardArgs&);
};

}  // namespace intaglio::training
