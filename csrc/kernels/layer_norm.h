// LayerNorm over channels, tokens in lanes: vertical sums, then codes at once. No normalised value reaches memory.
#pragma once

#include "kernels/block_args.h"
#include "kernels/codes.h"

namespace intaglio::kernels {

// (x - mean) / std = x * scale + offset, for four vectors of tokens.
template <class V>
struct Moments {
  typename V::F scale[4], offset[4];
};

// x: [dim][padded] floats, of which the four vectors at x are taken. Two passes: the variance of centred values does not cancel.
template <class V>
inline Moments<V> moments(const float* x, int dim, int padded, float eps) {
  using F = typename V::F;
  F sum[4], square[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) sum[j] = square[j] = V::set(0.0f);
  for (int c = 0; c < dim; ++c) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sum[j] = V::add(sum[j], V::load(x + static_cast<int64_t>(c) * padded + j * V::lanes));
  }
  const F share = V::set(1.0f / static_cast<float>(dim));
  F mean[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) mean[j] = V::mul(sum[j], share);
  for (int c = 0; c < dim; ++c) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const F centred = V::sub(V::load(x + static_cast<int64_t>(c) * padded + j * V::lanes), mean[j]);
      square[j] = V::fma(centred, centred, square[j]);
    }
  }
  Moments<V> result;
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    result.scale[j] = V::div(V::set(1.0f), V::sqrt(V::fma(square[j], share, V::set(eps))));
    result.offset[j] = V::sub(V::set(0.0f), V::mul(mean[j], result.scale[j]));
  }
  return result;
}

// Codes of LayerNorm(x) on `Count` grids: codes[i] is [dim_groups][token_groups][lanes] words. x has dim_groups * 4 rows, those beyond dim zero.
template <class V, int Count>
inline void norm_codes(const float* x, const BlockShape& shape, const NormArgs* const (&norms)[Count], int32_t* const (&codes)[Count]) {
  using F = typename V::F;
  const int padded = shape.token_groups * V::lanes;
  for (int g = 0; g < shape.token_groups; g += 4) {
    const Moments<V> moment = moments<V>(x + g * V::lanes, shape.dim, padded, shape.eps);
    for (int c = 0; c < shape.dim_groups * 4; c += 4) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        F y[4];
#pragma GCC unroll 4
        for (int m = 0; m < 4; ++m) {
          y[m] = V::fma(V::load(x + static_cast<int64_t>(c + m) * padded + (g + j) * V::lanes), moment.scale[j], moment.offset[j]);
        }
#pragma GCC unroll 3
        for (int i = 0; i < Count; ++i) {
          const float *scale = norms[i]->scale + c, *offset = norms[i]->offset + c;
          F z[4];
#pragma GCC unroll 4
          for (int m = 0; m < 4; ++m) z[m] = V::fma(y[m], V::set(scale[m]), V::set(offset[m]));
          V::store_i(codes[i] + (static_cast<int64_t>(c / 4) * shape.token_groups + g + j) * V::lanes, pack_codes<V>(z[0], z[1], z[2], z[3], norms[i]->range));
        }
      }
    }
  }
}

}  // namespace intaglio::kernels
