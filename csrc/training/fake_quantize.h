// Fake quantization of a float tensor with one pair of bounds: one pass forward, one backward.
// Arithmetic of docs/numerics.md (1)-(3) and the straight-through gradients of src/intaglio/quant/affine.py.
#pragma once

#include <cstdint>

#include "training/grid.h"

namespace intaglio::training {

// out[i] = the level nearest to x[i]. `out` may be `x`.
void fake_quantize(const float* x, float* out, int64_t begin, int64_t end, const Grid& grid);

// grad_x[i] = grad[i] inside the bounds, else 0 (skipped where grad_x is null); returns the sums for the two bounds.
BoundGradients fake_quantize_backward(const float* grad, const float* x, float* grad_x, int64_t begin, int64_t end,
                                      const Grid& grid);

}  // namespace intaglio::training
