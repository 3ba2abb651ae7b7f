// Feature maps and pictures as the ops see them: shapes and views, no ownership.
#pragma once

#include <cstddef>
#include <cstdint>

namespace intaglio {

struct Shape {
  int64_t c = 0, h = 0, w = 0;
  bool operator==(const Shape&) const = default;
};

// Floats readable (not writable) past the end of each plane, so that the last vector of a row may be loaded whole.
inline constexpr int64_t plane_slack = 16;

// Floats from one plane to the next: an odd number of cache lines, so that the planes of one pixel spread over all cache sets.
constexpr int64_t plane_stride(int64_t h, int64_t w) {
  const int64_t lines = (h * w + plane_slack + 15) / 16;
  return (lines | 1) * 16;
}

// A planar float32 map: plane c starts at channel(c); its rows are contiguous.
struct Map {
  float* data = nullptr;
  Shape shape;
  int64_t plane = 0;  // floats between planes, >= h * w + plane_slack
  float* channel(int64_t c) const { return data + c * plane; }
  float* row(int64_t c, int64_t y) const { return data + c * plane + y * shape.w; }
};

}  // namespace intaglio
