// Attention of one head for one vector of queries: transposed scores (keys in rows, queries in lanes), softmax, codes, product with v.
#pragma once

#include "kernels/block_args.h"
#include "kernels/codes.h"

namespace intaglio::kernels {

// The operands of one head and one vector of queries.
template <class V>
struct HeadView {
  const int32_t* q;        // [head_groups] vectors, `stride` words apart
  const int32_t* k;        // [head_groups][stride] words, one a key
  const int32_t* v;        // [head_dim][stride / 4] words, four keys each
  const float* bias;       // of the first key
  const float* key_terms;  // [tokens]
  const float* value_terms;  // [head_dim]
  const float* region;     // [tokens] floats
  typename V::F query_region;
  int stride;
};

inline constexpr float log2_e = 1.44269504f;
inline constexpr float masked = -100.0f * log2_e;
inline constexpr float never = -1e30f;  // becomes code 0 on any grid

// Scores in units of log2, a vector of queries for each key, handed to each(key, score). Terms that are the same for all keys cancel in the softmax and
// are left out.
template <class V, bool Wide, bool Masked, int Groups, class Watch, class Each>
inline void head_scores(const AttentionArgs& args, const HeadView<V>& head, const BlockShape& shape, Watch&& watch, Each&& each) {
  using F = typename V::F;
  using I = typename V::I;
  constexpr int held = Groups ? Groups : 1;
  I q[held];
#pragma GCC unroll 8
  for (int c = 0; c < Groups; ++c) q[c] = V::load_i(head.q + static_cast<int64_t>(c) * head.stride);
  const F scale = V::set(args.score);
  const float* bias = head.bias;
  for (int ky = 0, t = 0; ky < shape.key_rows; ++ky, bias += args.bias_row) {
#pragma GCC unroll 8
    for (int kx = 0; kx < shape.window; ++kx, ++t) {
      I acc = V::set_i(0);
      if constexpr (Groups > 0) {
#pragma GCC unroll 8
        for (int c = 0; c < Groups; ++c) acc = V::template dot4<Wide>(acc, q[c], V::set_i(head.k[static_cast<int64_t>(c) * head.stride + t]));
      } else {
        for (int c = 0; c < shape.head_groups; ++c) {
          const int64_t at = static_cast<int64_t>(c) * head.stride;
          acc = V::template dot4<Wide>(acc, V::load_i(head.q + at), V::set_i(head.k[at + t]));
        }
      }
      acc = V::total(acc);
      watch(t, acc);
      F s = V::fma(V::convert(acc), scale, V::add(V::load(bias + kx * V::lanes), V::set(head.key_terms[t])));
      if constexpr (Masked) s = V::add(s, V::where_different(V::set(head.region[t]), head.query_region, V::set(masked)));
      each(t, s);
    }
  }
}

// Unnormalised probabilities, a vector of queries for each key, and their sum. The maximum is not subtracted first: scores of real networks are far from
// the limits of single precision. Where they are not, within(sum) is false and exponentials_below_top is to be taken.
template <class V, bool Wide, bool Masked, int Groups, class Watch>
inline typename V::F exponentials(const AttentionArgs& args, const HeadView<V>& head, const BlockShape& shape, float* out, const Watch& watch) {
  typename V::F sum = V::set(0.0f);
  head_scores<V, Wide, Masked, Groups>(args, head, shape, watch, [&](int t, typename V::F s) {
    const typename V::F e = V::exp2_quick(s);
    V::store(out + t * V::lanes, e);
    sum = V::add(sum, e);
  });
  return sum;
}

// Whether no exponential that matters left the range of exp2, which saturates: the largest was at least 2^-66, at most 2^120.
template <class V>
inline bool within(typename V::F sum) {
  return V::all_at_most_zero(V::sub(sum, V::set(0x1p120f))) && V::all_at_most_zero(V::sub(V::set(0x1p-60f), sum));
}

// The same for any scores. Taken too seldom to be worth a version for each number of groups.
template <class V, bool Wide, bool Masked, class Watch>
inline typename V::F exponentials_below_top(const AttentionArgs& args, const HeadView<V>& head, const BlockShape& shape, float* out, const Watch& watch) {
  using F = typename V::F;
  F top = V::set(never);
  head_scores<V, Wide, Masked, 0>(args, head, shape, watch, [&](int t, F s) {
    V::store(out + t * V::lanes, s);
    top = V::max(top, s);
  });
  F sum = V::set(0.0f);
  for (int t = 0; t < shape.tokens; ++t) {
    const F e = V::exp2_quick(V::sub(V::load(out + t * V::lanes), top));
    V::store(out + t * V::lanes, e);
    sum = V::add(sum, e);
  }
  return sum;
}

// Whichever of the two these scores need, for the numbers of groups that networks have. Not inlined: it is the largest part of a block, and blocks with
// and without pieces share it.
template <class V, bool Wide, bool Masked, class Watch>
__attribute__((noinline)) typename V::F exponentials_of(const AttentionArgs& args, const HeadView<V>& head, const BlockShape& shape, float* out, const Watch& watch) {
  const auto quick = [&] {
    switch (shape.head_groups) {
      case 2: return exponentials<V, Wide, Masked, 2>(args, head, shape, out, watch);
      case 3: return exponentials<V, Wide, Masked, 3>(args, head, shape, out, watch);
      case 8: return exponentials<V, Wide, Masked, 8>(args, head, shape, out, watch);
      default: return exponentials<V, Wide, Masked, 0>(args, head, shape, out, watch);
    }
  };
  const typename V::F sum = quick();
  if (within<V>(sum)) [[likely]] return sum;
  return exponentials_below_top<V, Wide, Masked>(args, head, shape, out, watch);
}

// Codes of the attention map as words of four keys; returns their sums. Word (set, i) holds the keys (4 * set + b) * lanes + i, b < 4:
// the order in which the codes of v come out of their linear layer.
template <class V>
inline typename V::F map_codes(const AttentionArgs& args, const float* scores, int padded, typename V::F sum, int32_t* words) {
  using F = typename V::F;
  using I = typename V::I;
  const F scale = V::div(V::set(args.map.scale), sum), offset = V::set(args.map.offset);
  const I ones = V::set_i(byte_ones<V>);
  constexpr int row = V::lanes * V::lanes;
  I sums[2] = {V::set_i(0), V::set_i(0)};
  for (int set = 0; set < padded; set += 4 * V::lanes) {
#pragma GCC unroll 4
    for (int i = 0; i < V::lanes; ++i) {
      const float* at = scores + (set + i) * V::lanes;
      const I word = pack_codes<V>(V::fma(V::load(at), scale, offset), V::fma(V::load(at + row), scale, offset),
                                   V::fma(V::load(at + 2 * row), scale, offset), V::fma(V::load(at + 3 * row), scale, offset), args.map.range);
      V::store_i(words + (set / 4 + i) * V::lanes, word);
      sums[i & 1] = V::template dot4<false>(sums[i & 1], word, ones);
    }
  }
  return V::convert(V::add_i(V::total(sums[0]), V::total(sums[1])));
}

// Channels c .. c + M of the context, handed to finish(c, y), where y is filled up to a multiple of four with what becomes code 0.
template <class V, bool Wide, int M, class Watch, class Finish>
inline void context_channels(const AttentionArgs& args, const HeadView<simd::Plain<V>>& head, int c, const int32_t* words, typename V::F map_sums,
                             Watch&& watch, Finish&& finish) {
  using F = typename V::F;
  using I = typename V::I;
  const int count = head.stride / 4;
  const int32_t* v = head.v + static_cast<int64_t>(c) * count;
  I acc[M];
#pragma GCC unroll 12
  for (int m = 0; m < M; ++m) acc[m] = V::set_i(0);
  for (int i = 0; i < count; ++i) {
    const I p = V::load_i(words + i * V::lanes);
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) acc[m] = V::template dot4<Wide>(acc[m], p, V::set_i(v[m * count + i]));
  }
#pragma GCC unroll 12
  for (int m = 0; m < M; ++m) acc[m] = V::total(acc[m]);
  const F base = V::mul(map_sums, V::set(args.map_sum)), scale = V::set(args.product);
  constexpr int groups = (M + 3) / 4;
  F y[groups * 4];
#pragma GCC unroll 12
  for (int m = 0; m < groups * 4; ++m) {
    if (m < M) {
      watch(c + m, acc[m]);
      y[m] = V::fma(V::convert(acc[m]), scale, V::add(base, V::set(head.value_terms[c + m])));
    } else {
      y[m] = V::set(never);
    }
  }
  finish(c, y);
}

// All channels of a head, as many at a time as there are registers.
template <class V, bool Wide, class Watch, class Finish>
inline void head_context(const AttentionArgs& args, const HeadView<simd::Plain<V>>& head, int head_dim, const int32_t* words, typename V::F map_sums, Watch&& watch,
                         Finish&& finish) {
  int c = 0;
#define INTAGLIO_CHANNELS(count) context_channels<V, Wide, count>(args, head, c, words, map_sums, watch, finish), c += count
  while (c < head_dim) {
    const int left = head_dim - c;
    if constexpr (V::accumulators >= 12) {
      if (left == 10) {
        INTAGLIO_CHANNELS(10);
        continue;
      }
    }
    if (left >= 8) {
      INTAGLIO_CHANNELS(8);
    } else if (left >= 4) {
      INTAGLIO_CHANNELS(4);
    } else if (left == 3) {
      INTAGLIO_CHANNELS(3);
    } else if (left == 2) {
      INTAGLIO_CHANNELS(2);
    } else {
      INTAGLIO_CHANNELS(1);
    }
  }
#undef INTAGLIO_CHANNELS
}

}  // namespace intaglio::kernels
