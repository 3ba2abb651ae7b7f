// The register tile of a convolution: M output channels of T vectors of pixels, one broadcast weight word against T unaligned loads.
// What a word is (a float, four codes) is the `Term`; what becomes of the sums is the `Finish`.
#pragma once

#include "kernels/conv_args.h"
#include "kernels/conv_finish.h"

namespace intaglio::kernels {

// Float words, fused multiply-add.
template <class V>
struct FloatTerm {
  static constexpr bool paired = false;
  using Sum = typename V::F;
  using Word = float;
  static Sum zero() { return V::set(0.0f); }
  static Sum load(const float* p) { return V::load(p); }
  static Sum broadcast(float word) { return V::set(word); }
  static Sum multiply(Sum sum, Sum pixels, Sum weight) { return V::fma(pixels, weight, sum); }
};

// Words of four codes, exact integer sums.
template <class V, bool Wide>
struct CodeTerm {
  static constexpr bool paired = false;
  using Sum = typename V::I;
  using Word = int32_t;
  static Sum zero() { return V::set_i(0); }
  static Sum load(const int32_t* p) { return V::load_i(p); }
  static Sum broadcast(int32_t word) { return V::set_i(word); }
  static Sum multiply(Sum sum, Sum pixels, Sum weight) { return V::template dot4<Wide>(sum, pixels, weight); }
};

// The same in pairs of 16 bits, which are made 32-bit sums after every `pair_groups` groups: two instructions for four products instead of three.
template <class V>
struct PairTerm : CodeTerm<V, false> {
  static constexpr bool paired = true;
  static typename V::I multiply(typename V::I sum, typename V::I pixels, typename V::I weight) { return V::add_pairs(sum, pixels, weight); }
};

// Where each tap finds its words, from the first word of a pixel's field.
struct TapOffsets {
  int64_t at[largest_conv_kernel * largest_conv_kernel];
};

template <class V>
inline void find_taps(const ConvTile& tile, TapOffsets& taps) {
  const ConvGeometry& g = tile.geometry;
  for (int ky = 0; ky < g.kernel; ++ky) {
    for (int kx = 0; kx < g.kernel; ++kx) {
      taps.at[ky * g.kernel + kx] = ky * tile.band.row() + kx % g.stride * tile.band.line + kx / g.stride;
    }
  }
}

// The widest row of vectors whose sums, pixels and one weight fit the registers.
template <class V>
constexpr int widest = V::lanes == 16 ? 4 : 2;

// Sums over `groups` groups of channels; field and weights go on behind them.
template <class V, class Term, int M, int T>
inline void sum_products(const ConvTile& tile, const TapOffsets& taps, const typename Term::Word*& field, const typename Term::Word*& weights, int groups,
                         typename Term::Sum (&sum)[M][T]) {
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sum[m][t] = Term::zero();
  }
  const int count = tile.geometry.taps();
  for (int group = 0; group < groups; ++group, field += tile.band.pitch) {
    for (int tap = 0; tap < count; ++tap, weights += M) {
      typename Term::Sum pixels[T];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) pixels[t] = Term::load(field + taps.at[tap] + t * V::lanes);
#pragma GCC unroll 6
      for (int m = 0; m < M; ++m) {
        const auto weight = Term::broadcast(weights[m]);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) sum[m][t] = Term::multiply(sum[m][t], pixels[t], weight);
      }
    }
  }
}

template <class V, class Term, class Finish, int M, int T>
inline void register_tile(const ConvTile& tile, const TapOffsets& taps, const typename Term::Word* field, const typename Term::Word* weights,
                          const Finish& finish) {
  typename Term::Sum sum[M][T];
  if constexpr (Term::paired) {
    typename Term::Sum part[M][T];
    for (int first = 0; first < tile.groups; first += tile.pair_groups) {
      const int left = tile.groups - first;
      sum_products<V, Term, M, T>(tile, taps, field, weights, left < tile.pair_groups ? left : tile.pair_groups, part);
#pragma GCC unroll 6
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) sum[m][t] = first ? V::add_i(sum[m][t], V::sum_pairs(part[m][t])) : V::sum_pairs(part[m][t]);
      }
    }
  } else {
    sum_products<V, Term, M, T>(tile, taps, field, weights, tile.groups, sum);
  }
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) finish(m, t, sum[m][t]);
  }
}

// All output channels of T vectors of pixels.
template <class V, class Term, int T, class MakeFinish>
inline void all_outputs(const ConvTile& tile, const TapOffsets& taps, const typename Term::Word* field, const typename Term::Word* weights,
                        const MakeFinish& finish_of) {
  const int64_t terms = static_cast<int64_t>(tile.groups) * tile.geometry.taps();
  for (int n = 0, block; n < tile.geometry.out; n += block) {
    block = conv_block(tile.geometry.out - n);
    const auto finish = finish_of(n);
    switch (block) {
      case 6: register_tile<V, Term, decltype(finish), 6, T>(tile, taps, field, weights, finish); break;
      case 4: register_tile<V, Term, decltype(finish), 4, T>(tile, taps, field, weights, finish); break;
      case 3: register_tile<V, Term, decltype(finish), 3, T>(tile, taps, field, weights, finish); break;
      case 2: register_tile<V, Term, decltype(finish), 2, T>(tile, taps, field, weights, finish); break;
      default: register_tile<V, Term, decltype(finish), 1, T>(tile, taps, field, weights, finish); break;
    }
    weights += terms * block;
  }
}

// Sums of the input codes under the kernel: one plane of sums over channels, added over the taps.
template <class V>
inline void sums_of_codes(int width, const ConvTile& tile, const TapOffsets& taps, const int32_t* field, typename V::F* sums) {
  const int32_t* plane = field + tile.groups * tile.band.pitch;
  for (int t = 0; t < width; ++t) {
    typename V::I sum = V::set_i(0);
    for (int tap = 0; tap < tile.geometry.taps(); ++tap) sum = V::add_i(sum, V::load_i(plane + taps.at[tap] + t * V::lanes));
    sums[t] = V::convert(sum);
  }
}

// Pixels that are finished together, where a register tile is narrower: what it takes to finish some outputs is paid once for all of them.
inline constexpr int finished_pixels = 64;

// Calls body(tile, width, y, x, first word of the field) for every `width` vectors of the tile, and finishes runs of them.
template <class V, int Widest, class Word, class Body>
inline void for_each_field(const ConvTile& tile, const Word* words, const Body& body) {
  constexpr int64_t span = finished_pixels / V::lanes > Widest ? finished_pixels / V::lanes : Widest;
  const int64_t vectors = (tile.x1 - tile.x0 + V::lanes - 1) / V::lanes;
  for (int64_t y = tile.y0; y < tile.y1; ++y) {
    const Word* row = words + (y - tile.y0) * tile.geometry.stride * tile.band.row();
    for (int64_t v = 0; v < vectors; v += span) {
      const int64_t length = vectors - v < span ? vectors - v : span;
      finish_run<V>(tile, y, tile.x0 + v * V::lanes, length * V::lanes, span * V::lanes, [&](const ConvTile& run, int64_t at_y, int64_t at_x) {
        for (int64_t t = 0; t < length;) {
          const int64_t left = length - t;
          const int width = left >= Widest ? Widest : left >= 2 ? 2 : 1;
          body(run, width, at_y, at_x + t * V::lanes, row + (v + t) * V::lanes);
          t += width;
        }
      });
    }
  }
}

}  // namespace intaglio::kernels
