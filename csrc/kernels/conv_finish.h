// What becomes of a convolution's sums before anything is stored: activation, the map that they are added to or multiplied by, and codes for the
// convolutions that read them, so that none of it passes over memory again.
#pragma once

#include "kernels/activation.h"
#include "kernels/codes.h"
#include "kernels/conv_args.h"

namespace intaglio::kernels {

template <class V>
inline typename V::F load_pixels(const float* p, int64_t left) {
  return left >= V::lanes ? V::load(p) : V::load_first(p, static_cast<int>(left));
}

template <class V>
inline void store_pixels(float* p, typename V::F x, int64_t left) {
  if (left >= V::lanes) {
    V::store(p, x);
  } else {
    V::store_first(p, x, static_cast<int>(left));
  }
}

template <class V>
inline void store_words(int32_t* p, typename V::I words, int64_t left) {
  if (left >= V::lanes) return V::store_i(p, words);
  int32_t all[V::lanes];
  V::store_i(all, words);
  for (int64_t i = 0; i < left; ++i) p[i] = all[i];
}

// The result of output channel n at `pixel`, with what it is added to or multiplied by.
template <class V>
inline typename V::F with_residual(const ConvResidual& residual, int64_t n, int64_t pixel, int64_t left, typename V::F result) {
  const auto other = load_pixels<V>(residual.data + n * residual.plane + pixel, left);
  return residual.product ? V::mul(result, other) : V::add(V::mul(result, V::set(residual.own)), V::mul(other, V::set(residual.other)));
}

// One vector of sums of output channel n at pixel (y, x), cut off at the tile's end. For tiles whose sums do not wait.
template <class V>
inline void store_result(const ConvTile& tile, int64_t n, int64_t y, int64_t x, typename V::F result) {
  const int64_t pixel = y * tile.out_w + x, left = tile.x1 - x;
  if (tile.residual.data) result = with_residual<V>(tile.residual, n, pixel, left, result);
  store_pixels<V>(tile.out + n * tile.out_plane + (pixel - tile.out_from), result, left);
}

// All that becomes of the four outputs from n, or as many as there are, of a vector of pixels of which `left` are to be written. The tile must be a copy on
// the stack: a store might change any other as far as the compiler knows, which would load all of it again.
template <class V>
__attribute__((always_inline)) inline void finish_four(const ConvTile& tile, int n, int64_t pixel, int64_t left, typename V::F (&result)[4]) {
  const int outputs = tile.geometry.out - n;
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    if (c >= outputs) break;
    result[c] = activated<V>(result[c], tile.act, tile.slopes[n + c]);
    if (tile.residual.data) result[c] = with_residual<V>(tile.residual, n + c, pixel, left, result[c]);
    if (tile.out) store_pixels<V>(tile.out + (n + c) * tile.out_plane + pixel, result[c], left);
  }
  if (!tile.codes) return;
  typename V::I code[4];
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) code[c] = c < outputs ? code_of<V>(result[c], *tile.out_grid) : V::set_i(0);
  store_words<V>(tile.codes + n / 4 * tile.out_plane + pixel, V::pack4(code[0], code[1], code[2], code[3]), left);
}

// Has the cache fetch what `count` pixels from `pixel` on of some outputs will meet, while their sums are formed: planes are too many for the processor to
// foresee. Not a function of its own: GCC 12 takes calls of it for calls without effect.
__attribute__((always_inline)) inline void fetch_ahead(const ConvResidual& residual, int first, int outputs, int64_t pixel, int64_t count) {
  constexpr int64_t line = 16;  // floats
  if (!residual.data) return;
  for (int n = first; n < first + outputs; ++n) {
    const float* from = residual.data + n * residual.plane + pixel;
    for (int64_t i = 0; i < count; i += line) __builtin_prefetch(from + i);
  }
}

// The results of a run, [output][`longest` pixels], as words of four codes; channels beyond the last are code 0.
template <class V>
inline void pack_line(const ConvTile& tile, int64_t pixel, int64_t count, int64_t longest) {
  const CodeGrid grid = *tile.out_grid;
  int32_t* words = tile.codes + pixel;
  for (int n = 0; n < tile.geometry.out; n += 4, words += tile.out_plane) {
    const float* from = tile.line + n * longest;
    const int outputs = tile.geometry.out - n;
    for (int64_t i = 0; i < count; i += V::lanes) {
      typename V::I code[4];
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) code[c] = c < outputs ? code_of<V>(V::load(from + c * longest + i), grid) : V::set_i(0);
      store_words<V>(words + i, V::pack4(code[0], code[1], code[2], code[3]), count - i);
    }
  }
}

// All that becomes of the sums of a run that waited. One thing after the other, all in the first-level cache: loops are shorter so than one that asks at each
// vector what there is to do.
template <class V>
inline void finish_line(const ConvTile& tile, int64_t pixel, int64_t count, int64_t longest) {
  const ConvResidual residual = tile.residual;
  for (int n = 0; n < tile.geometry.out; ++n) {
    float* line = tile.line + n * longest;
    if (tile.act != Activation::none) activate_run<V>(line, line, count, tile.act, tile.slopes[n]);
    if (residual.data) {
      for (int64_t i = 0; i < count; i += V::lanes) V::store(line + i, with_residual<V>(residual, n, pixel + i, count - i, V::load(line + i)));
    }
    if (tile.out) map_run<V>(line, tile.out + n * tile.out_plane + pixel, count, [](typename V::F x) { return x; });
  }
  if (!tile.codes) return;
  if (tile.out_grid->pieces.count) {
    pack_line<simd::Pieced<V>>(tile, pixel, count, longest);
  } else {
    pack_line<V>(tile, pixel, count, longest);
  }
}

// Calls body(tile, y, x) for a run of `length` pixels, at most `longest` of any run, which stores sums where the tile that it gets says. Where more becomes
// of them than a plain sum with the residual, that is a line in the first-level cache.
template <class V, class Body>
inline void finish_run(const ConvTile& tile, int64_t y, int64_t x, int64_t length, int64_t longest, const Body& body) {
  const int64_t count = x + length < tile.x1 ? length : tile.x1 - x, pixel = y * tile.out_w + x;
  if (!tile.line) return body(tile, y, x);
  ConvTile run = tile;
  fetch_ahead(tile.residual, 0, tile.geometry.out, pixel, count);
  run.out = tile.line, run.out_plane = longest, run.out_from = pixel, run.residual.data = nullptr;
  body(run, y, x);
  finish_line<V>(tile, pixel, count, longest);
}

}  // namespace intaglio::kernels
