// The convolution kernels: one call packs the input of one tile of output into scratch, multiplies, and finishes in registers.
#pragma once

#include "kernels/conv_pack.h"
#include "kernels/conv_tile.h"
#include "kernels/elementwise.h"

namespace intaglio::kernels {

template <class V, class Term, class MakeFinish>
inline void multiply_field(int width, const ConvTile& tile, const TapOffsets& taps, const typename Term::Word* field, const typename Term::Word* weights,
                           const MakeFinish& finish_of) {
  if (width == widest<V>) {
    all_outputs<V, Term, widest<V>>(tile, taps, field, weights, finish_of);
  } else if (width == 2) {
    all_outputs<V, Term, 2>(tile, taps, field, weights, finish_of);
  } else {
    all_outputs<V, Term, 1>(tile, taps, field, weights, finish_of);
  }
}

template <class V>
void conv_float(const ConvFloatArgs& args) {
  const ConvTile& tile = args.tile;
  TapOffsets taps;
  find_taps<V>(tile, taps);
  pack_float_band<V>(tile);
  for_each_field<V, widest<V>>(tile, static_cast<const float*>(tile.scratch), [&](const ConvTile& run, int width, int64_t y, int64_t x, const float* field) {
    multiply_field<V, FloatTerm<V>>(width, tile, taps, field, args.weights, [&](int n) {
      return [&, n](int m, int t, typename V::F sum) { store_result<V>(run, n + m, y, x + t * V::lanes, V::add(sum, V::set(args.bias[n + m]))); };
    });
  });
}

template <class V, class Term>
inline void conv_codes_of(const ConvCodesArgs& args) {
  const ConvTile& tile = args.tile;
  TapOffsets taps;
  find_taps<V>(tile, taps);
  pack_code_band<V>(tile, args.grid);
  for_each_field<V, widest<V>>(tile, static_cast<const int32_t*>(tile.scratch), [&](const ConvTile& run, int width, int64_t y, int64_t x, const int32_t* field) {
    typename V::F sums[widest<V>];
    sums_of_codes<V>(width, tile, taps, field, sums);
    multiply_field<V, Term>(width, tile, taps, field, args.weights, [&](int n) {
      return [&, n](int m, int t, typename V::I product) {
        const auto offset = V::fma(sums[t], V::set(args.of_sum[n + m]), V::set(args.constant[n + m]));
        const auto small = V::fma(sums[t], V::set(args.apart), V::convert(product));
        store_result<V>(run, n + m, y, x + t * V::lanes, V::fma(small, V::set(args.scale[n + m]), offset));
      };
    });
  });
}

template <class V>
void conv_codes(const ConvCodesArgs& args) {
  if constexpr (V::needs_wide) {
    if (args.wide) return conv_codes_of<V, CodeTerm<V, true>>(args);
  }
  if constexpr (V::has_pairs) {
    if (args.tile.pair_groups) return conv_codes_of<V, PairTerm<V>>(args);
  }
  conv_codes_of<V, CodeTerm<V, false>>(args);
}

// T vectors of a run from x on, the last of them of `count` pixels.
template <class V, int T>
inline void conv_run_vectors(const ConvRunArgs& args, int64_t line, int64_t x, int count) {
  typename V::F sum[T];
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) sum[t] = V::set(args.bias);
  const float* weight = args.weights;
  for (int c = 0; c < args.channels; ++c) {
    for (int u = 0; u < args.rows; ++u) {
      const float* row = args.from + line * args.from_line + c * args.channel_step + u * args.row_step + x;
      for (int v = 0; v < args.columns; ++v, ++weight, row += args.column_step) {
        const auto w = V::set(*weight);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) sum[t] = V::fma(t + 1 < T ? V::load(row + t * V::lanes) : load_some<V>(row + t * V::lanes, count), w, sum[t]);
      }
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) store_some<V>(args.to + line * args.to_line + x + t * V::lanes, sum[t], t + 1 < T ? V::lanes : count);
}

template <class V>
void conv_run(const ConvRunArgs& args) {
  for (int64_t line = 0; line < args.lines; ++line) {
    int64_t x = 0;
    for (; x + 4 * V::lanes <= args.n; x += 4 * V::lanes) conv_run_vectors<V, 4>(args, line, x, V::lanes);
    for (; x < args.n; x += V::lanes) conv_run_vectors<V, 1>(args, line, x, args.n - x < V::lanes ? static_cast<int>(args.n - x) : V::lanes);
  }
}

}  // namespace intaglio::kernels
