#include "ops/code_rows.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace intaglio {
namespace {

// Half to even, of 0 to 255.
inline float rounded(float x) { return (x + 12582912.0f) - 12582912.0f; }

// NaN becomes 0.
inline float clamped(float x, float top) {
  const float above = x > 0.0f ? x : 0.0f;
  return rounded(above < top ? above : top);
}

inline float on_pieces(float position, const std::vector<Piece>& pieces) {
  float code = 0.0f, first = 0.0f;
  for (const Piece& piece : pieces) {
    const auto stride = static_cast<float>(piece.stride), steps = static_cast<float>(piece.steps);
    code += stride * clamped((position - first) * (1.0f / stride), steps);
    first += stride * steps;
  }
  return code;
}

template <class To>
inline void quantize(const Grid& grid, const float* from, To* to, int64_t n) {
  const float lower = grid.lower, inverse = grid.inverse(), top = static_cast<float>(grid.top());
  if (grid.pieces.empty()) {
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(clamped((from[i] - lower) * inverse, top));
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(on_pieces((from[i] - lower) * inverse, grid.pieces));
  }
}

}  // namespace

void RowGrid::positions(const float* from, float* to, int64_t n) const { quantize(grid, from, to, n); }
void RowGrid::codes(const float* from, uint8_t* to, int64_t n) const { quantize(grid, from, to, n); }

int zero_code(const std::vector<Grid>& grids) {
  double least = INFINITY, greatest = -INFINITY;
  for (const Grid& grid : grids) {
    const double zero = -static_cast<double>(grid.lower) / static_cast<double>(grid.step);
    least = std::min(least, zero), greatest = std::max(greatest, zero);
  }
  return static_cast<int>(std::clamp(std::nearbyint((least + greatest) / 2.0), 0.0, static_cast<double>(grids.front().top())));
}

LinearConstants LinearConstants::of(const std::vector<uint8_t>& codes, int64_t terms, const Grid& input, const std::vector<Grid>& grids,
                                    const std::vector<float>& bias) {
  LinearConstants constants;
  constants.zero = zero_code(grids);
  auto row = codes.begin();
  for (size_t n = 0; n < bias.size(); ++n, row += terms) {
    const double sum = std::accumulate(row, row + terms, 0.0);
    const double step_x = input.step, lower_x = input.lower, step_w = grids[n].step, lower_w = grids[n].lower;
    constants.of_product.push_back(static_cast<float>(step_x * step_w));
    constants.of_sum.push_back(static_cast<float>(step_x * (lower_w + constants.zero * step_w)));
    constants.constant.push_back(static_cast<float>(step_w * lower_x * sum + static_cast<double>(terms) * lower_x * lower_w + bias[n]));
  }
  return constants;
}

}  // namespace intaglio
