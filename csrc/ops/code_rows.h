// Codes of rows of values, and the constants of equations (4) and (5): products of codes outside of the fused kernels are the reference's to the last bit.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/spec.h"

namespace intaglio {

// A grid for rows of values in plain code: equations (2) and (2b), operation by operation.
struct RowGrid {
  Grid grid;

  RowGrid() = default;
  explicit RowGrid(const Grid& of) : grid(of) {}
  // Codes as floats; `to` may be `from`.
  void positions(const float* from, float* to, int64_t n) const;
  // Codes as bytes.
  void codes(const float* from, uint8_t* to, int64_t n) const;
};

// The code nearest to zero, for all channels together: midway between the least and the greatest of theirs.
int zero_code(const std::vector<Grid>& grids);

// y[n] = of_product[n] * (R[n] - zero * S) + of_sum[n] * S + constant[n], S the sum of the codes of x, `zero` the weight's.
struct LinearConstants {
  int zero = 0;
  std::vector<float> of_product, of_sum, constant;
  // codes: (outputs, terms).
  static LinearConstants of(const std::vector<uint8_t>& codes, int64_t terms, const Grid& input, const std::vector<Grid>& grids, const std::vector<float>& bias);
};

}  // namespace intaglio
