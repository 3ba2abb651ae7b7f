// Arguments of the kernels that treat values one by one. A run is n floats in a row; `to` may be an input. No intrinsics here.
#pragma once

#include <cstdint>

#include "kernels/activation_args.h"

namespace intaglio {

// to = a + scale * b, the product rounded first.
struct AddArgs {
  const float *a, *b;
  float* to;
  int64_t n;
  float scale;
};

// to = a * b, or a * factor where b is null.
struct MultiplyArgs {
  const float *a, *b;
  float* to;
  int64_t n;
  float factor;
};

struct ActivateArgs {
  const float* from;
  float* to;
  int64_t n;
  Activation act;
  float slope;  // of leaky_relu and prelu
};

// For each of n pixels, over `channels` planes: to = (from - mean) / sqrt(variance + eps) * weight + bias, biased variance.
struct LayerNormArgs {
  const float* from;
  int64_t from_plane;
  float* to;
  int64_t to_plane;
  int64_t n;
  int channels;
  float eps;
  const float *weight, *bias;
};

}  // namespace intaglio
