// One window of the rolled map: where its tokens lie, loading and storing them, and its mask. No picture is copied or rolled.
#pragma once

#include "kernels/block_args.h"

namespace intaglio::kernels {

// The rolled map starts at (shift, shift) of the map, so that token (ty, tx) of a window is the pixel (row(ty), left + tx), both modulo the sides.
template <class V>
struct Window {
  const WindowBlockArgs& args;
  int64_t top, left;  // in the rolled map
  int before_wrap;    // tokens of a row before the right edge of the map

  Window(const WindowBlockArgs& a, int64_t index) : args(a) {
    const int64_t across = a.width / a.shape.window;
    top = index / across * a.shape.window;
    left = index % across * a.shape.window;
    const int64_t to_edge = a.width - left - a.shape.shift;
    before_wrap = static_cast<int>(to_edge < a.shape.window ? to_edge : a.shape.window);
  }

  float* row(int ty) const {
    const int64_t y = top + ty + args.shape.shift;
    return args.map + (y < args.height ? y : y - args.height) * args.width + left + args.shape.shift;
  }

  // Only windows at the lower or right edge of the rolled map join pixels that are not neighbours.
  bool masked() const {
    return args.shape.shift > 0 && (top + args.shape.window == args.height || left + args.shape.window == args.width);
  }

  // Region of each token, as a float: within such a window, before or after the wrap in each direction.
  void regions(float* region) const {
    const int window = args.shape.window, kept = window - args.shape.shift;
    const bool last_row = top + window == args.height, last_column = left + window == args.width;
    for (int ty = 0; ty < window; ++ty) {
      for (int tx = 0; tx < window; ++tx) {
        region[ty * window + tx] = static_cast<float>((last_row && ty >= kept ? 2 : 0) + (last_column && tx >= kept ? 1 : 0));
      }
    }
  }
};

template <class V>
inline void copy_row(float* to, const float* from, int count) {
  for (int i = 0; i < count; ++i) to[i] = from[i];
}

// One row of `Count` tokens of every channel: a vector move each.
template <class V, int Count>
inline void copy_rows(float* to, int64_t to_stride, const float* from, int64_t from_stride, int channels) {
#pragma GCC unroll 4
  for (int c = 0; c < channels; ++c, to += to_stride, from += from_stride) __builtin_memcpy(to, from, Count * sizeof(float));
}

// x: [dim][padded] tokens in raster order.
template <class V>
inline void load_window(const Window<V>& window, float* x, int padded) {
  const BlockShape& shape = window.args.shape;
  for (int ty = 0; ty < shape.window; ++ty) {
    const float* row = window.row(ty);
    if (window.before_wrap == 8 && shape.window == 8) {
      copy_rows<V, 8>(x + ty * 8, padded, row, window.args.plane, shape.dim);
      continue;
    }
    for (int c = 0; c < shape.dim; ++c, row += window.args.plane) {
      float* to = x + static_cast<int64_t>(c) * padded + ty * shape.window;
      copy_row<V>(to, row, window.before_wrap);
      if (window.before_wrap < shape.window) {
        copy_row<V>(to + window.before_wrap, row + window.before_wrap - window.args.width, shape.window - window.before_wrap);
      }
    }
  }
}

template <class V>
inline void store_window(const Window<V>& window, const float* x, int padded) {
  const BlockShape& shape = window.args.shape;
  for (int ty = 0; ty < shape.window; ++ty) {
    float* row = window.row(ty);
    if (window.before_wrap == 8 && shape.window == 8) {
      copy_rows<V, 8>(row, window.args.plane, x + ty * 8, padded, shape.dim);
      continue;
    }
    for (int c = 0; c < shape.dim; ++c, row += window.args.plane) {
      const float* from = x + static_cast<int64_t>(c) * padded + ty * shape.window;
      copy_row<V>(row, from, window.before_wrap);
      if (window.before_wrap < shape.window) {
        copy_row<V>(row + window.before_wrap - window.args.width, from + window.before_wrap, shape.window - window.before_wrap);
      }
    }
  }
}

}  // namespace intaglio::kernels
