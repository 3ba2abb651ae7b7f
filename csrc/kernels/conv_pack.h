// Packing of a tile's input into words that the register tiles read: padding, strides and quantization end here.
#pragma once

#include "kernels/conv_args.h"

namespace intaglio::kernels {

// The pixels at, at + stride, ... of a row of w, zero where there is none.
template <class V>
inline typename V::F fetch(const float* row, int64_t w, int64_t at, int64_t stride) {
  if (row && stride == 1 && at >= 0 && at + V::lanes <= w) return V::load(row + at);
  float pixels[V::lanes];
  for (int i = 0; i < V::lanes; ++i) {
    const int64_t x = at + i * stride;
    pixels[i] = row && x >= 0 && x < w ? row[x] : 0.0f;
  }
  return V::load(pixels);
}

// Calls pack(row, word, at) for every vector of the band's words: `row` of the input (outside [0, h) in the padding), index of the first word
// within a group, and column of its first pixel.
template <class V, class Pack>
inline void for_each_word(const ConvTile& tile, Pack pack) {
  const ConvGeometry& g = tile.geometry;
  const int64_t first_row = tile.y0 * g.stride - g.pad, first_column = tile.x0 * g.stride - g.pad;
  const int64_t rows = (tile.y1 - tile.y0 - 1) * g.stride + g.kernel;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t phase = 0; phase < g.stride; ++phase) {
      const int64_t word = (row * g.stride + phase) * tile.band.pitch;
      for (int64_t i = 0; i < tile.band.pitch; i += V::lanes) pack(first_row + row, word + i, first_column + phase + i * g.stride);
    }
  }
}

// Row y of channel c, or null where that is padding.
template <class V>
inline const float* source_row(const ConvTile& tile, int64_t c, int64_t y) {
  return c < tile.geometry.in && y >= 0 && y < tile.h ? tile.in + c * tile.in_plane + y * tile.w : nullptr;
}

template <class V>
inline void pack_float_band(const ConvTile& tile) {
  float* words = static_cast<float*>(tile.scratch);
  for (int64_t c = 0; c < tile.geometry.in; ++c) {
    for_each_word<V>(tile, [&](int64_t y, int64_t word, int64_t at) {
      V::store(words + c * tile.band.plane + word, fetch<V>(source_row<V>(tile, c, y), tile.w, at, tile.geometry.stride));
    });
  }
}

// Codes of four channels a word. The last plane gets the sum of the codes over the channels. Channels that fill up a word are code 0.
template <class V>
inline void pack_code_band(const ConvTile& tile, const CodeGrid& grid) {
  using F = typename V::F;
  using I = typename V::I;
  int32_t* words = static_cast<int32_t*>(tile.scratch);
  const F lower = V::set(grid.lower), inverse = V::set(grid.inverse), top = V::set(grid.top);
  const I ones = V::set_i(0x01010101);
  for_each_word<V>(tile, [&](int64_t y, int64_t word, int64_t at) {
    I sum = V::set_i(0);
    for (int64_t group = 0; group < tile.band.groups; ++group) {
      I code[4];
      for (int64_t lane = 0; lane < 4; ++lane) {
        const int64_t c = 4 * group + lane;
        const F x = fetch<V>(source_row<V>(tile, c, y), tile.w, at, tile.geometry.stride);
        code[lane] = c < tile.geometry.in ? V::round(V::min(top, V::mul(V::sub(x, lower), inverse))) : V::set_i(0);
      }
      const I packed = V::pack4(code[0], code[1], code[2], code[3]);
      V::store_i(words + group * tile.band.plane + word, packed);
      sum = V::template dot4<false>(sum, packed, ones);
    }
    V::store_i(words + tile.band.groups * tile.band.plane + word, sum);
  });
}

}  // namespace intaglio::kernels
