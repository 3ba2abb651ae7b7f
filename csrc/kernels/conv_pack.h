// Packing of a tile's input into words that the register tiles read: padding, strides and quantization end here.
#pragma once

#include "kernels/codes.h"
#include "kernels/conv_args.h"

namespace intaglio::kernels {

// The pixels at, at + stride, ... of a row of w, zero where there is none; a null row is padding.
template <class V>
inline typename V::F fetch(const float* row, int64_t w, int64_t at, int64_t stride) {
  if (!row || at >= w) return V::set(0.0f);
  if (stride == 1 && at >= 0) return at + V::lanes <= w ? V::load(row + at) : V::load_first(row + at, static_cast<int>(w - at));
  float pixels[V::lanes];
  for (int i = 0; i < V::lanes; ++i) {
    const int64_t x = at + i * stride;
    pixels[i] = x >= 0 && x < w ? row[x] : 0.0f;
  }
  return V::load(pixels);
}

// Calls pack(line, y, at) for every line of the band: index of its first word, row of the input (outside [0, h) in the padding), and column of
// its first pixel.
template <class V, class Pack>
inline void for_each_line(const ConvTile& tile, const Pack& pack) {
  const ConvGeometry& g = tile.geometry;
  for (int64_t row = 0; row < tile.band.rows; ++row) {
    for (int64_t phase = 0; phase < g.stride; ++phase) {
      pack(row * tile.band.row() + phase * tile.band.line, (tile.y0 * g.stride - g.pad) + row, (tile.x0 * g.stride - g.pad) + phase);
    }
  }
}

// One plane's line: calls pack(i, x) with vector i of `Channels` channels from `channel`, zeros for channels and pixels that do not exist.
template <class V, int Channels, class Pack>
inline void for_each_vector(const ConvTile& tile, int64_t channel, int64_t y, int64_t at, const Pack& pack) {
  const float* rows[Channels];
  for (int64_t c = 0; c < Channels; ++c) {
    rows[c] = channel + c < tile.geometry.in && y >= 0 && y < tile.h ? tile.in + (channel + c) * tile.in_plane + y * tile.w : nullptr;
  }
  for (int64_t i = 0; i < tile.band.pitch; i += V::lanes) {
    typename V::F x[Channels];
#pragma GCC unroll 4
    for (int c = 0; c < Channels; ++c) x[c] = fetch<V>(rows[c], tile.w, at + i * tile.geometry.stride, tile.geometry.stride);
    pack(i, x);
  }
}

template <class V>
inline void pack_float_band(const ConvTile& tile) {
  for (int64_t c = 0; c < tile.groups; ++c) {
    for_each_line<V>(tile, [&](int64_t line, int64_t y, int64_t at) {
      float* words = static_cast<float*>(tile.scratch) + line + c * tile.band.pitch;
      for_each_vector<V, 1>(tile, c, y, at, [&](int64_t i, const typename V::F(&x)[1]) { V::store(words + i, x[0]); });
    });
  }
}

// The plane after those of codes gets the sums of codes over the channels: nothing to begin with.
template <class V>
inline void clear_sums(const ConvTile& tile) {
  for_each_line<V>(tile, [&](int64_t line, int64_t, int64_t) {
    int32_t* sums = static_cast<int32_t*>(tile.scratch) + line + tile.groups * tile.band.pitch;
    for (int64_t i = 0; i < tile.band.pitch; i += V::lanes) V::store_i(sums + i, V::set_i(0));
  });
}

// Codes of four channels a word, and their sums. Channels that fill up a word are code 0. Planes are gone through one after the other: so many lines of
// different planes at a time are more than the processor foresees.
template <class V>
inline void pack_code_vectors(const ConvTile& tile, const CodeGrid& grid) {
  using F = typename V::F;
  using I = typename V::I;
  const F lower = V::set(grid.lower), inverse = V::set(grid.inverse), top = V::set(grid.top);
  const I ones = V::set_i(0x01010101);
  clear_sums<V>(tile);
  for (int64_t group = 0; group < tile.groups; ++group) {
    const int64_t channels = tile.geometry.in - 4 * group;
    for_each_line<V>(tile, [&](int64_t line, int64_t y, int64_t at) {
      int32_t *first = static_cast<int32_t*>(tile.scratch) + line, *words = first + group * tile.band.pitch, *sums = first + tile.groups * tile.band.pitch;
      for_each_vector<V, 4>(tile, 4 * group, y, at, [&](int64_t i, const F(&x)[4]) {
        I code[4];
#pragma GCC unroll 4
        for (int c = 0; c < 4; ++c) {
          const F value = V::mul(V::sub(x[c], lower), inverse);
          if constexpr (simd::is_pieced<V>) {
            code[c] = V::round(on_pieces<V>(value, grid.pieces));
          } else {
            code[c] = V::round(V::min(top, value));
          }
          if (c >= channels) code[c] = V::set_i(0);
        }
        const I packed = V::pack4(code[0], code[1], code[2], code[3]);
        V::store_i(words + i, packed);
        V::store_i(sums + i, V::template dot4<false>(V::load_i(sums + i), packed, ones));
      });
    });
  }
}

// Word i * stride after place `at` of a row of w words, `padding` where there is none; a null row is padding.
template <class V>
inline typename V::I fetch_words(const int32_t* row, int64_t w, int64_t at, int64_t stride, typename V::I padding) {
  if (!row || at >= w) return padding;
  if (stride == 1 && at >= 0 && at + V::lanes <= w) return V::load_i(row + at);
  int32_t words[V::lanes];
  V::store_i(words, padding);
  for (int i = 0; i < V::lanes; ++i) {
    const int64_t x = at + i * stride;
    if (x >= 0 && x < w) words[i] = row[x];
  }
  return V::load_i(words);
}

// The same words as pack_code_vectors makes, from a map of codes: padding is the code of 0.
template <class V>
inline void pack_code_words(const ConvTile& tile, const CodeGrid& grid) {
  using I = typename V::I;
  const I ones = V::set_i(0x01010101), none = V::set_i(0), zero = code_of<V>(V::set(0.0f), grid);
  const int in = tile.geometry.in, real = (in + 3) / 4;
  const I whole = V::pack4(zero, zero, zero, zero), last = V::pack4(zero, in % 4 == 1 ? none : zero, in % 4 == 1 || in % 4 == 2 ? none : zero, in % 4 ? none : zero);
  const auto* map = reinterpret_cast<const int32_t*>(tile.in);
  clear_sums<V>(tile);
  for (int64_t group = 0; group < tile.groups; ++group) {
    const I padding = group + 1 < real ? whole : last;
    for_each_line<V>(tile, [&](int64_t line, int64_t y, int64_t at) {
      int32_t *first = static_cast<int32_t*>(tile.scratch) + line, *words = first + group * tile.band.pitch, *sums = first + tile.groups * tile.band.pitch;
      if (group >= real) {
        for (int64_t i = 0; i < tile.band.pitch; i += V::lanes) V::store_i(words + i, none);
        return;
      }
      const int32_t* row = y >= 0 && y < tile.h ? map + group * tile.in_plane + y * tile.w : nullptr;
      for (int64_t i = 0; i < tile.band.pitch; i += V::lanes) {
        const I word = fetch_words<V>(row, tile.w, at + i * tile.geometry.stride, tile.geometry.stride, padding);
        V::store_i(words + i, word);
        V::store_i(sums + i, V::template dot4<false>(V::load_i(sums + i), word, ones));
      }
    });
  }
}

template <class V>
inline void pack_code_band(const ConvTile& tile, const CodeGrid& grid) {
  if (tile.packed_in && grid.pieces.count) {
    pack_code_words<simd::Pieced<V>>(tile, grid);
  } else if (tile.packed_in) {
    pack_code_words<V>(tile, grid);
  } else if (grid.pieces.count) {
    pack_code_vectors<simd::Pieced<V>>(tile, grid);
  } else {
    pack_code_vectors<V>(tile, grid);
  }
}

}  // namespace intaglio::kernels
