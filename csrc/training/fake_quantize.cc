#include "training/fake_quantize.h"

#include <algorithm>
#include <cmath>

// The compiler makes one version for each instruction set and the loader picks one; where it cannot, the loops are plain C++.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define INTAGLIO_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define INTAGLIO_CLONES
#endif

namespace intaglio::training {
namespace {

constexpr int kLanes = 16;
// Single-precision partial sums run over this many elements before they are added to a double.
constexpr int64_t kChunk = 2048;

struct ChunkSums {
  float inside[kLanes] = {};
  float above[kLanes] = {};
  float below[kLanes] = {};
};

// One element's share of the gradients, branch-free so that the loop becomes vector code.
inline float accumulate(float g, float x, const GridConstants& c, float& inside, float& above, float& below) {
  const float scaled = (x - c.lower) * c.inverse;
  const float code = std::min(std::max(std::nearbyint(scaled), 0.0f), c.top);
  const float g_above = x > c.upper ? g : 0.0f;
  const float g_below = x < c.lower ? g : 0.0f;
  const float g_inside = g - g_above - g_below;
  inside += g_inside * (code - scaled);
  above += g_above;
  below += g_below;
  return g_inside;
}

}  // namespace

GridConstants constants(const Grid& grid) {
  const float top = static_cast<float>((1 << grid.bits) - 1);
  const float step = (grid.upper - grid.lower) / top;
  return {grid.lower, grid.upper, step, 1.0f / step, top};
}

INTAGLIO_CLONES
void fake_quantize(const float* x, float* out, int64_t begin, int64_t end, const Grid& grid) {
  const GridConstants c = constants(grid);
  for (int64_t i = begin; i < end; ++i) {
    const float code = std::min(std::max(std::nearbyint((x[i] - c.lower) * c.inverse), 0.0f), c.top);
    out[i] = code * c.step + c.lower;
  }
}

INTAGLIO_CLONES
BoundGradients fake_quantize_backward(const float* grad, const float* x, float* grad_x, int64_t begin, int64_t end,
                                      const Grid& grid) {
  const GridConstants c = constants(grid);
  double inside = 0.0, above = 0.0, below = 0.0;
  for (int64_t start = begin; start < end; start += kChunk) {
    const int64_t stop = std::min(end, start + kChunk);
    ChunkSums sums;
    int64_t i = start;
    for (; i + kLanes <= stop; i += kLanes) {
      float masked[kLanes];
      for (int lane = 0; lane < kLanes; ++lane) {
        masked[lane] = accumulate(grad[i + lane], x[i + lane], c, sums.inside[lane], sums.above[lane], sums.below[lane]);
      }
      if (grad_x != nullptr) std::copy(masked, masked + kLanes, grad_x + i);
    }
    for (; i < stop; ++i) {
      const float masked = accumulate(grad[i], x[i], c, sums.inside[0], sums.above[0], sums.below[0]);
      if (grad_x != nullptr) grad_x[i] = masked;
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      inside += sums.inside[lane];
      above += sums.above[lane];
      below += sums.below[lane];
    }
  }
  inside /= c.top;
  return {below - inside, above + inside};
}

}  // namespace intaglio::training
