// Kernels on rows of numbers that lie together: quantization, products of codes, LayerNorm, softmax. Columns are in lanes, so that nothing is transposed.
#pragma once

#include "kernels/codes.h"
#include "kernels/conv_tile.h"
#include "kernels/elementwise.h"
#include "kernels/rows_args.h"

namespace intaglio::kernels {

// A vector's worth of bytes behind the last may be written too.
template <class V>
inline void code_run(const float* from, uint8_t* to, int64_t n, const CodeGrid& grid) {
  int64_t i = 0;
  for (; i + V::lanes <= n; i += V::lanes) V::store_bytes(to + i, code_of<V>(V::load(from + i), grid));
  if (i < n) V::store_bytes(to + i, code_of<V>(V::load_first(from + i, static_cast<int>(n - i)), grid));
}

template <class V>
inline void code_rows_of(const CodeRowsArgs& args) {
  if (args.step == args.width) {
    code_run<V>(args.from, args.to, args.rows * args.width, args.grid);
  } else {
    for (int64_t r = 0; r < args.rows; ++r) {
      code_run<V>(args.from + r * args.step, args.to + r * args.width, args.k, args.grid);
      for (int i = args.k; i < args.width; ++i) args.to[r * args.width + i] = 0;
    }
  }
  if (!args.sums) return;
  for (int64_t r = 0; r < args.rows; ++r) {
    typename V::I sum = V::set_i(0);
    for (int i = 0; i < args.width; i += 4 * V::lanes) {
      sum = V::template dot4<false>(sum, V::load_i(args.to + r * args.width + i), V::load_i(args.ones + i));
    }
    args.sums[r] = V::sum_lanes(sum);
  }
}

template <class V>
void code_rows(const CodeRowsArgs& args) {
  if (args.grid.pieces.count) {
    code_rows_of<simd::Pieced<V>>(args);
  } else {
    code_rows_of<V>(args);
  }
}

template <class V>
inline void code_columns_of(const CodeColumnsArgs& args) {
  const auto ones = V::set_i(byte_ones<V>), shift = V::set_i(args.shifted ? static_cast<int32_t>(0x80808080u) : 0);
  for (int64_t at = 0; at < args.n; at += V::lanes) {
    const int count = args.n - at < V::lanes ? static_cast<int>(args.n - at) : V::lanes;
    typename V::I sum = V::set_i(0);
    for (int k = 0; k < args.k; k += 4) {
      typename V::I code[4];
#pragma GCC unroll 4
      for (int b = 0; b < 4; ++b) {
        code[b] = k + b < args.k ? code_of<V>(load_some<V>(args.from + (k + b) * args.step + at, count), args.grid) : V::set_i(0);
      }
      const auto word = V::pack4(code[0], code[1], code[2], code[3]);
      sum = V::template dot4<false>(sum, word, ones);
      V::store_i(args.words + k / 4 * args.stride + at, V::xor_i(word, shift));
    }
    V::store_i(args.sums + at, sum);
  }
}

template <class V>
void code_columns(const CodeColumnsArgs& args) {
  if (args.grid.pieces.count) {
    code_columns_of<simd::Pieced<V>>(args);
  } else {
    code_columns_of<V>(args);
  }
}

// R of M rows by T vectors of columns, over `groups` groups.
template <class V, class Term, int M, int T>
inline void sum_row_products(const uint8_t* codes, int64_t width, const int32_t* words, int64_t stride, int groups, typename V::I (&sum)[M][T]) {
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sum[m][t] = V::set_i(0);
  }
  for (int k = 0; k < groups; ++k, codes += 4, words += stride) {
    typename V::I weights[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) weights[t] = V::load_i(words + t * V::lanes);
#pragma GCC unroll 6
    for (int m = 0; m < M; ++m) {
      int32_t four;
      __builtin_memcpy(&four, codes + m * width, sizeof four);
      const auto row = V::set_i(four);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) sum[m][t] = Term::multiply(sum[m][t], row, weights[t]);
    }
  }
}

template <class V, class Term, int M, int T>
inline void row_products_tile(const RowProductsArgs& args, int64_t r, int64_t n) {
  using F = typename V::F;
  const int64_t width = 4 * args.groups;
  const uint8_t* codes = args.codes + r * width;
  const int32_t* words = args.words + n;
  typename V::I sum[M][T];
  if constexpr (Term::paired) {
    typename V::I part[M][T];
    for (int first = 0; first < args.groups; first += args.pair_groups) {
      const int left = args.groups - first;
      sum_row_products<V, Term, M, T>(codes + 4 * first, width, words + first * args.stride, args.stride, left < args.pair_groups ? left : args.pair_groups, part);
#pragma GCC unroll 6
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) sum[m][t] = first ? V::add_i(sum[m][t], V::sum_pairs(part[m][t])) : V::sum_pairs(part[m][t]);
      }
    }
  } else {
    sum_row_products<V, Term, M, T>(codes, width, words, args.stride, args.groups, sum);
  }
  if (!args.to) {
    for (int m = 0; m < M; ++m) {
      for (int t = 0; t < T; ++t) V::store_i(args.integers + (r + m) * args.stride + n + t * V::lanes, sum[m][t]);
    }
    return;
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    const int64_t at = n + t * V::lanes, left = args.columns - at;
    if (left <= 0) break;
    const F product = V::load(args.of_product + at), of_sum = V::load(args.of_sum + at), column = V::load(args.column + at), constant = V::set(args.constant);
#pragma GCC unroll 6
    for (int m = 0; m < M; ++m) {
      const int32_t total = args.row_sums[r + m];
      const F whole = V::convert(V::add_i(sum[m][t], V::set_i(static_cast<int32_t>(static_cast<uint32_t>(args.shift) * static_cast<uint32_t>(total)))));
      const F y = V::add(V::add(V::add(V::mul(product, whole), V::mul(of_sum, V::set(static_cast<float>(total)))), column), constant);
      store_some<V>(args.to + (r + m) * args.columns + at, y, left < V::lanes ? static_cast<int>(left) : V::lanes);
    }
  }
}

template <class V, class Term, int M>
inline void row_products_strip(const RowProductsArgs& args, int64_t r) {
  int64_t n = 0;
  for (; n + widest<V> * V::lanes <= args.stride; n += widest<V> * V::lanes) row_products_tile<V, Term, M, widest<V>>(args, r, n);
  for (; n < args.stride; n += V::lanes) row_products_tile<V, Term, M, 1>(args, r, n);
}

template <class V, class Term>
inline void row_products_of(const RowProductsArgs& args) {
  int64_t r = 0;
  for (; r + 6 <= args.rows; r += 6) row_products_strip<V, Term, 6>(args, r);
  for (; r + 2 <= args.rows; r += 2) row_products_strip<V, Term, 2>(args, r);
  if (r < args.rows) row_products_strip<V, Term, 1>(args, r);
}

template <class V>
void row_products(const RowProductsArgs& args) {
  if constexpr (V::needs_wide) {
    if (args.wide) return row_products_of<V, CodeTerm<V, true>>(args);
  }
  if constexpr (V::has_pairs) {
    if (args.pair_groups) return row_products_of<V, PairTerm<V>>(args);
  }
  row_products_of<V, CodeTerm<V, false>>(args);
}

// R rows at a time, whose sums do not wait for each other. Two passes, so that the variance does not cancel.
template <class V, int R>
inline void layer_norm_some(const LayerNormRowsArgs& args, int64_t r, typename V::F live) {
  using F = typename V::F;
  const float count = static_cast<float>(args.n);
  const int left = static_cast<int>(args.n % V::lanes);
  const int64_t whole = args.n - left;
  const float* from = args.from + r * args.n;
  F mean[R], scale[R];
#pragma GCC unroll 4
  for (int m = 0; m < R; ++m) mean[m] = left ? V::load_first(from + m * args.n + whole, left) : V::set(0.0f);
  for (int64_t i = 0; i < whole; i += V::lanes) {
#pragma GCC unroll 4
    for (int m = 0; m < R; ++m) mean[m] = V::add(mean[m], V::load(from + m * args.n + i));
  }
#pragma GCC unroll 4
  for (int m = 0; m < R; ++m) mean[m] = V::set(V::sum(mean[m]) / count);
#pragma GCC unroll 4
  for (int m = 0; m < R; ++m) {
    const F centred = left ? V::mul(V::sub(V::load_first(from + m * args.n + whole, left), mean[m]), live) : V::set(0.0f);
    scale[m] = V::mul(centred, centred);
  }
  for (int64_t i = 0; i < whole; i += V::lanes) {
#pragma GCC unroll 4
    for (int m = 0; m < R; ++m) {
      const F centred = V::sub(V::load(from + m * args.n + i), mean[m]);
      scale[m] = V::fma(centred, centred, scale[m]);
    }
  }
#pragma GCC unroll 4
  for (int m = 0; m < R; ++m) scale[m] = V::div(V::set(1.0f), V::sqrt(V::set(V::sum(scale[m]) / count + args.eps)));
  for_each_vector_of<V>(args.n, [&](int64_t i, int some) {
    const F weight = load_some<V>(args.weight + i, some), bias = load_some<V>(args.bias + i, some);
#pragma GCC unroll 4
    for (int m = 0; m < R; ++m) {
      const F normed = V::mul(V::sub(load_some<V>(from + m * args.n + i, some), mean[m]), scale[m]);
      store_some<V>(args.to + (r + m) * args.n + i, V::fma(normed, weight, bias), some);
    }
  });
}

template <class V>
void layer_norm_rows(const LayerNormRowsArgs& args) {
  float ones[V::lanes];
  for (float& one : ones) one = 1.0f;
  const auto live = V::load_first(ones, static_cast<int>(args.n % V::lanes));
  int64_t r = 0;
  for (; r + 4 <= args.rows; r += 4) layer_norm_some<V, 4>(args, r, live);
  for (; r < args.rows; ++r) layer_norm_some<V, 1>(args, r, live);
}

template <class V>
void softmax_rows(const SoftmaxRowsArgs& args) {
  using F = typename V::F;
  [[maybe_unused]] const typename V::Guard guard;
  const int left = static_cast<int>(args.n % V::lanes);
  float ones[V::lanes];
  for (float& one : ones) one = 1.0f;
  const F live = V::load_first(ones, left), log2e = V::set(1.44269504f);
  for (int64_t r = 0; r < args.rows; ++r) {
    const float* from = args.from + r * args.n;
    float* to = args.to + r * args.n;
    F top = V::set(from[0]), sum = V::set(0.0f);
    for (int64_t i = 0; i + V::lanes <= args.n; i += V::lanes) top = V::max(top, V::load(from + i));
    float largest = V::greatest(top);
    for (int64_t i = args.n - left; i < args.n; ++i) largest = largest > from[i] ? largest : from[i];
    top = V::set(largest);
    for_each_vector_of<V>(args.n, [&](int64_t i, int some) {
      const F below = V::sub(load_some<V>(from + i, some), top);
      const F e = V::add(V::exp2(V::mul(below, log2e)), V::where_different(below, below, below));  // what is not a number stays so
      sum = V::add(sum, some == V::lanes ? e : V::mul(e, live));
      store_some<V>(to + i, e, some);
    });
    const F share = V::div(V::set(1.0f), V::set(V::sum(sum)));
    for_each_vector_of<V>(args.n, [&](int64_t i, int some) { store_some<V>(to + i, V::mul(load_some<V>(to + i, some), share), some); });
  }
}

}  // namespace intaglio::kernels
