// A quantized linear layer on packed codes: register tiles of M outputs by N vectors of tokens, and whatever epilogue is handed in.
#pragma once

#include "kernels/block_args.h"
#include "kernels/codes.h"

namespace intaglio::kernels {

// Sums of the codes of each token, as floats: one more product, against ones.
template <class V>
inline void row_sums(const int32_t* codes, int groups, int32_t last_ones, int token_groups, float* sums) {
  using I = typename V::I;
  for (int g = 0; g < token_groups; g += 4) {
    I acc[4];
    for (int j = 0; j < 4; ++j) acc[j] = V::set_i(0);
    for (int k = 0; k < groups; ++k) {
      const I ones = V::set_i(k + 1 < groups ? byte_ones<V> : last_ones);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        acc[j] = V::template dot4<false>(acc[j], V::load_i(codes + (static_cast<int64_t>(k) * token_groups + g + j) * V::lanes), ones);
      }
    }
    for (int j = 0; j < 4; ++j) V::store(sums + (g + j) * V::lanes, V::convert(acc[j]));
  }
}

// R for outputs n .. n + M of N vectors of tokens. `words` points at output n, four outputs interleaved.
template <class V, bool Wide, int M, int N>
inline void product_tile(const int32_t* words, const int32_t* codes, int groups, int token_groups, typename V::I (&acc)[M][N]) {
  using I = typename V::I;
#pragma GCC unroll 4
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) acc[m][j] = V::set_i(0);
  }
  for (int k = 0; k < groups; ++k) {
    I x[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) x[j] = V::load_i(codes + (static_cast<int64_t>(k) * token_groups + j) * V::lanes);
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
      const I w = V::set_i(words[4 * k + m]);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) acc[m][j] = V::template dot4<Wide>(acc[m][j], x[j], w);
    }
  }
}

// Calls epilogue(n, g, y) with y[m][j] the outputs n + m of token vectors g + j, and watch.sum with the integers they come from.
template <class V, bool Wide, int M, int N, class Watch, class Epilogue>
inline void linear(const LinearArgs& layer, const int32_t* codes, int token_groups, float* sums, Watch&& watch, Epilogue&& epilogue) {
  using F = typename V::F;
  row_sums<V>(codes, layer.groups, layer.last_ones, token_groups, sums);
  for (int g = 0; g < token_groups; g += N) {
    F rows[N];
    for (int j = 0; j < N; ++j) rows[j] = V::load(sums + (g + j) * V::lanes);
    for (int n = 0; n < layer.outputs; n += M) {
      typename V::I acc[M][N];
      product_tile<V, Wide, M, N>(layer.words + static_cast<int64_t>(n / 4) * layer.groups * 4 + n % 4, codes + g * V::lanes, layer.groups, token_groups, acc);
      F y[M][N];
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) {
        const F scale = V::set(layer.scale[n + m]), sum = V::set(layer.sum[n + m]), offset = V::set(layer.offset[n + m]);
#pragma GCC unroll 4
        for (int j = 0; j < N; ++j) {
          y[m][j] = V::fma(V::convert(acc[m][j]), scale, V::fma(rows[j], sum, offset));
          watch(n + m, g + j, acc[m][j]);
        }
      }
      epilogue(n, g, y);
    }
  }
}

}  // namespace intaglio::kernels
