// Attention of one head in one window by itself: the phases of a block from scores to context, with floats on both ends.
#pragma once

#include "kernels/attention.h"
#include "kernels/watch.h"
#include "simd/pairs.h"

namespace intaglio::kernels {

template <class V, bool Wide, bool Masked>
void attention_head_of(const AttentionHeadArgs& args) {
  using F = typename V::F;
  const BlockShape& shape = args.shape;
  const int padded = shape.token_groups * V::lanes;
  for (int g = 0; g * V::lanes < shape.tokens; ++g) {
    const HeadView<V> head{args.q + g * V::lanes, args.k, args.v, args.bias + g * args.attention.bias_group, args.key_terms, args.value_terms, args.region,
                           Masked ? V::load(args.region + g * V::lanes) : V::set(0.0f), padded};
    const F sum = exponentials_of<V, Wide, Masked>(args.attention, head, shape, args.scores, Unseen<V>{});
    for (int t = shape.tokens; t < padded; ++t) V::store(args.scores + t * V::lanes, V::set(never));
    const F map_sums = map_codes<V>(args.attention, args.scores, padded, sum, args.map_words);
    head_context<V, Wide>(args.attention, head, shape.head_dim, args.map_words, map_sums, [](int, typename V::I) {}, [&]<int N>(int c, const F(&y)[N]) {
#pragma GCC unroll 12
      for (int m = 0; m < N; ++m) V::store(args.context + static_cast<int64_t>(c + m) * V::lanes, y[m]);
    });
    const int left = shape.tokens - g * V::lanes;
    for (int i = 0; i < V::lanes && i < left; ++i) {
      float* to = args.out + static_cast<int64_t>(g * V::lanes + i) * args.out_step;
      for (int c = 0; c < shape.head_dim; ++c) to[c] = args.context[c * V::lanes + i];
    }
  }
}

template <class V, bool Wide>
inline void attention_head_masked(const AttentionHeadArgs& args) {
  if (args.region) return attention_head_of<V, Wide, true>(args);
  attention_head_of<V, Wide, false>(args);
}

template <class V>
void attention_head(const AttentionHeadArgs& args) {
  [[maybe_unused]] const typename V::Guard guard;
  if constexpr (V::needs_wide) {
    if (args.wide) return attention_head_masked<V, true>(args);
  }
  if constexpr (V::has_pairs) {
    if (args.narrow) return attention_head_masked<simd::Pairs<V>, false>(args);
  }
  attention_head_masked<V, false>(args);
}

}  // namespace intaglio::kernels
