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
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) acc[j] = V::set_i(0);
    for (int k = 0; k < groups; ++k) {
      const I ones = V::set_i(k + 1 < groups ? byte_ones<V> : last_ones);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        acc[j] = V::template dot4<false>(acc[j], V::load_i(codes + (static_cast<int64_t>(k) * token_groups + g + j) * V::lanes), ones);
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) V::store(sums + (g + j) * V::lanes, V::convert(V::total(acc[j])));
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
#pragma GCC unroll 4
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) acc[m][j] = V::total(acc[m][j]);
  }
}

// y for outputs n .. n + M from their integers: the constants of equation (5).
template <class V, int M, int N, class Watch>
inline void affine_tile(const LinearArgs& layer, int n, int g, const typename V::I (&acc)[M][N], const typename V::F (&rows)[N], typename V::F (&y)[M][N],
                        Watch&& watch) {
  using F = typename V::F;
#pragma GCC unroll 4
  for (int m = 0; m < M; ++m) {
    const F scale = V::set(layer.scale[n + m]), sum = V::set(layer.sum[n + m]), offset = V::set(layer.offset[n + m]);
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      y[m][j] = V::fma(V::convert(acc[m][j]), scale, V::fma(rows[j], sum, offset));
      watch(n + m, g + j, acc[m][j]);
    }
  }
}

// sums[m][16 j + i]: 16 outputs m by 4 vectors of tokens j, over 16 * chunks groups. `codes` rows are `stride` bytes apart; rows of `sums` hold 64.
template <class V>
inline void matrix_product(const int8_t* weights, const int32_t* codes, int64_t stride, int chunks, int32_t* sums) {
  V::template tile_zero<0>();
  V::template tile_zero<1>();
  V::template tile_zero<2>();
  V::template tile_zero<3>();
  for (int k = 0; k < chunks; ++k, weights += 1024, codes += 4 * stride) {
    V::template tile_load<4>(weights, 64);
    V::template tile_load<5>(codes, stride);
    V::template tile_dot_codes<0, 4, 5>();
    V::template tile_load<6>(codes + V::lanes, stride);
    V::template tile_dot_codes<1, 4, 6>();
    V::template tile_load<7>(codes + 2 * V::lanes, stride);
    V::template tile_dot_codes<2, 4, 7>();
    V::template tile_load<5>(codes + 3 * V::lanes, stride);
    V::template tile_dot_codes<3, 4, 5>();
  }
  V::template tile_store<0>(sums, 256);
  V::template tile_store<1>(sums + V::lanes, 256);
  V::template tile_store<2>(sums + 2 * V::lanes, 256);
  V::template tile_store<3>(sums + 3 * V::lanes, 256);
}

// The same layer by tile products: the sums of 16 outputs go through memory, and those of the next 16 are under way meanwhile.
template <class V, class Watch, class Epilogue>
inline void linear_tiles(const LinearArgs& layer, const int32_t* codes, int token_groups, const float* sums, Watch&& watch, Epilogue&& epilogue) {
  const int chunks = (layer.groups + 15) / 16;
  const int64_t stride = static_cast<int64_t>(token_groups) * V::lanes * 4;
  alignas(64) int32_t products[2][16 * 64];
  for (int g = 0; g < token_groups; g += 4) {
    typename V::F rows[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) rows[j] = V::load(sums + (g + j) * V::lanes);
    matrix_product<V>(layer.tiles, codes + g * V::lanes, stride, chunks, products[0]);
    for (int first = 0; first < layer.outputs; first += 16) {
      const int32_t* ready = products[first / 16 & 1];
      if (first + 16 < layer.outputs) {
        matrix_product<V>(layer.tiles + static_cast<int64_t>(first / 16 + 1) * chunks * 1024, codes + g * V::lanes, stride, chunks, products[(first / 16 + 1) & 1]);
      }
      for (int n = first; n < layer.outputs && n < first + 16; n += 4) {
        typename V::I acc[4][4];
        typename V::F y[4][4];
#pragma GCC unroll 4
        for (int m = 0; m < 4; ++m) {
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) acc[m][j] = V::load_i(ready + (n - first + m) * 64 + j * V::lanes);
        }
        affine_tile<V, 4, 4>(layer, n, g, acc, rows, y, watch);
        epilogue(n, g, y);
      }
    }
  }
}

// Calls epilogue(n, g, y) with y[m][j] the outputs n + m of token vectors g + j, and watch with the integers they come from. A function of its own, so that the
// sums of a tile have all registers whatever the compiler makes of the block around them; inlined, a window of 60 channels takes the same time on AVX2
// (GCC 12 with the flags of CMakeLists.txt).
template <class V, bool Wide, int M, int N, class Watch, class Epilogue>
__attribute__((noinline)) void linear(const LinearArgs& layer, const int32_t* codes, int token_groups, float* sums, Watch&& watch, Epilogue&& epilogue) {
  using F = typename V::F;
  row_sums<V>(codes, layer.groups, layer.last_ones, token_groups, sums);
  if constexpr (V::has_tiles) {
    linear_tiles<V>(layer, codes, token_groups, sums, watch, epilogue);
    return;
  }
  for (int g = 0; g < token_groups; g += N) {
    F rows[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) rows[j] = V::load(sums + (g + j) * V::lanes);
    for (int n = 0; n < layer.outputs; n += M) {
      typename V::I acc[M][N];
      product_tile<V, Wide, M, N>(layer.words + static_cast<int64_t>(n / 4) * layer.groups * 4 + n % 4, codes + g * V::lanes, layer.groups, token_groups, acc);
      F y[M][N];
      affine_tile<V, M, N>(layer, n, g, acc, rows, y, watch);
      epilogue(n, g, y);
    }
  }
}

}  // namespace intaglio::kernels
