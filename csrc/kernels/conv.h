// The convolution kernels: one call packs the input of one tile of output into scratch, multiplies, and finishes in registers.
#pragma once

#include "kernels/conv_pack.h"
#include "kernels/conv_tile.h"

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
  for_each_field<V, widest<V>>(tile, static_cast<const float*>(tile.scratch), [&](int width, int64_t y, int64_t x, const float* field) {
    multiply_field<V, FloatTerm<V>>(width, tile, taps, field, args.weights, [&](int n) {
      return [&, n](int m, int t, typename V::F sum) { store_result<V>(tile, n + m, y, x + t * V::lanes, V::add(sum, V::set(args.bias[n + m]))); };
    });
  });
}

template <class V, bool Wide>
inline void conv_codes_of(const ConvCodesArgs& args) {
  const ConvTile& tile = args.tile;
  TapOffsets taps;
  find_taps<V>(tile, taps);
  pack_code_band<V>(tile, args.grid);
  for_each_field<V, widest<V>>(tile, static_cast<const int32_t*>(tile.scratch), [&](int width, int64_t y, int64_t x, const int32_t* field) {
    typename V::F sums[widest<V>];
    sums_of_codes<V>(width, tile, taps, field, sums);
    multiply_field<V, CodeTerm<V, Wide>>(width, tile, taps, field, args.weights, [&](int n) {
      return [&, n](int m, int t, typename V::I product) {
        const auto offset = V::fma(sums[t], V::set(args.of_sum[n + m]), V::set(args.constant[n + m]));
        store_result<V>(tile, n + m, y, x + t * V::lanes, V::fma(V::convert(product), V::set(args.scale[n + m]), offset));
      };
    });
  });
}

template <class V>
void conv_codes(const ConvCodesArgs& args) {
  if constexpr (V::needs_wide) {
    if (args.wide) return conv_codes_of<V, true>(args);
  }
  conv_codes_of<V, false>(args);
}

}  // namespace intaglio::kernels
