// A whole transformer block for a run of windows, one window at a time inside the cache. docs/numerics.md, section 5; csrc/kernels/block_args.h for layouts.
#pragma once

#include "kernels/attention.h"
#include "kernels/block_scratch.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/linear.h"
#include "kernels/watch.h"
#include "kernels/window.h"
#include "simd/pairs.h"
#include "simd/pieced.h"

namespace intaglio::kernels {

// The scratch of one thread, as typed pointers, and the steps of the block on it.
template <class V, bool Wide, class Watch>
struct BlockRun {
  using F = typename V::F;
  using I = typename V::I;

  const WindowBlockArgs& args;
  const BlockShape& shape;
  Watch watch;
  int padded;  // tokens with padding
  float *x, *sums, *region, *key_terms, *value_terms, *scores;
  int32_t *input[3], *q, *k, *v, *map_words, *context, *hidden, *real_keys;

  explicit BlockRun(const WindowBlockArgs& a) : args(a), shape(a.shape), watch(a), padded(a.shape.token_groups * V::lanes) {
    const BlockScratch at = block_scratch(shape, V::lanes);
    auto floats = [&](size_t offset) { return reinterpret_cast<float*>(a.scratch + offset); };
    auto words = [&](size_t offset) { return reinterpret_cast<int32_t*>(a.scratch + offset); };
    x = floats(at.x), sums = floats(at.row_sums), region = floats(at.region), key_terms = floats(at.key_terms);
    value_terms = floats(at.value_terms), scores = floats(at.scores);
    for (int i = 0; i < 3; ++i) input[i] = words(at.input[i]);
    q = words(at.q), k = words(at.k), v = words(at.v), map_words = words(at.map_words), context = words(at.context), hidden = words(at.hidden);
    real_keys = words(at.real_keys);
    __builtin_memset(a.scratch, 0, at.bytes);  // padding tokens and channels stay zero, or at least the same in every run
    for (int c = 0; c < shape.dim; ++c) value_terms[c] = args.attention.constant;
    auto* ones = reinterpret_cast<uint8_t*>(real_keys);  // a one for each key that is not padding, in the order of the codes of v
    for (int i = 0; i < padded; ++i) ones[i] = (i / 4 / V::lanes * 4 + i % 4) * V::lanes + i / 4 % V::lanes < shape.tokens;
  }

  void window(int64_t index) {
    const Window<V> here(args, index);
    watch.window(index);
    load_window(here, x, padded);
    watch.lap(Phase::load);
    project_inputs();
    const bool masked = here.masked();
    if (masked) here.regions(region);
    attend(masked);
    watch.codes(Site::proj_input, context, shape.dim, shape.head_dim);
    add_linear(args.proj, context, Sum::proj);
    watch.lap(Phase::proj);
    perceive();
    store_window(here, x, padded);
    watch.lap(Phase::store);
  }

 private:
  // Steps 1 and 2: codes of q and k by head, of v by channel.
  void project_inputs() {
    if (args.shared_input) {
      norm_codes<V, 1>(x, shape, {&args.q_norm}, {input[0]});
    } else {
      norm_codes<V, 3>(x, shape, {&args.q_norm, &args.k_norm, &args.v_norm}, {input[0], input[1], input[2]});
    }
    const int32_t* of[3] = {input[0], args.shared_input ? input[0] : input[1], args.shared_input ? input[0] : input[2]};
    for (int i = 0; i < 3; ++i) watch.codes(static_cast<Site>(i), of[i], shape.dim, shape.dim);
    watch.lap(Phase::norm1);
    head_codes(args.q, of[0], args.q_range, q, Sum::q);
    head_codes(args.k, of[1], args.k_range, k, Sum::k);
    value_codes(of[2]);
    watch.codes(Site::scores_a, q, shape.dim, shape.head_dim);
    watch.codes(Site::scores_b, k, shape.dim, shape.head_dim);
    watch.value_codes(v);
    finish_keys();
    finish_values();
    watch.lap(Phase::qkv);
  }

  void head_codes(const LinearArgs& layer, const int32_t* codes, const CodeRange& range, int32_t* out, Sum part) {
    const int head = shape.head_groups * 4;
    auto see = [&](int n, int g, I acc) { watch.sum(part, n % head < shape.head_dim ? n / head * shape.head_dim + n % head : -1, shape.dim, g, acc); };
    linear<V, Wide, 4, V::tile_tokens>(layer, codes, shape.token_groups, sums, see, [&](int n, int g, const F(&y)[4][V::tile_tokens]) {
#pragma GCC unroll 4
      for (int j = 0; j < V::tile_tokens; ++j) {
        V::store_i(out + (static_cast<int64_t>(n / 4) * shape.token_groups + g + j) * V::lanes, pack_codes<V>(y[0][j], y[1][j], y[2][j], y[3][j], range));
      }
    });
  }

  // Four vectors of tokens of one channel become words of four keys.
  void value_codes(const int32_t* codes) {
    constexpr int rows = V::tile_tokens;  // the transposed tile: as many registers
    auto see = [&](int n, int g, I acc) { watch.sum(Sum::v, n, shape.dim, g, acc); };
    linear<V, Wide, rows, 4>(args.v, codes, shape.token_groups, sums, see, [&](int n, int g, const F(&y)[rows][4]) {
#pragma GCC unroll 4
      for (int m = 0; m < rows; ++m) {
        V::store_i(v + static_cast<int64_t>(n + m) * (padded / 4) + g / 4 * V::lanes, pack_codes<V>(y[m][0], y[m][1], y[m][2], y[m][3], args.v_range));
      }
    });
  }

  // The only offset term of the scores that differs between keys; then the keys become the signed operand.
  void finish_keys() {
    const I ones = V::set_i(byte_ones<V>), shift = V::set_i(args.attention.key_shift);
    const F scale = V::set(args.attention.key_sum);
    for (int h = 0; h < shape.heads; ++h) {
      for (int g = 0; g < padded; g += V::lanes) {
        I sum = V::set_i(0);
        for (int c = 0; c < shape.head_groups; ++c) {
          int32_t* at = k + static_cast<int64_t>(h * shape.head_groups + c) * padded + g;
          const I codes = V::load_i(at);
          sum = V::template dot4<false>(sum, codes, ones);
          if (args.attention.key_shift) V::store_i(at, V::xor_i(codes, shift));
        }
        V::store(key_terms + static_cast<int64_t>(h) * padded + g, V::mul(V::convert(V::total(sum)), scale));
      }
    }
  }

  void finish_values() {
    const int count = padded / 4;
    if (args.attention.value_sum != 0.0f) {
      for (int c = 0; c < shape.dim; ++c) {
        I sum = V::set_i(0);
        for (int i = 0; i < count; i += V::lanes) sum = V::template dot4<false>(sum, V::load_i(v + static_cast<int64_t>(c) * count + i), V::load_i(real_keys + i));
        value_terms[c] = static_cast<float>(V::sum_lanes(V::total(sum))) * args.attention.value_sum + args.attention.constant;
      }
    }
    if (args.attention.value_shift) {
      const I shift = V::set_i(args.attention.value_shift);
      for (int64_t i = 0; i < static_cast<int64_t>(shape.dim) * count; i += V::lanes) V::store_i(v + i, V::xor_i(V::load_i(v + i), shift));
    }
  }

  // Steps 3 and 4.
  void attend(bool masked) {
    for (int h = 0; h < shape.heads; ++h) {
      for (int g = 0; g * V::lanes < shape.tokens; ++g) attend_head(h, g, masked);
    }
  }

  HeadView<simd::Plain<V>> head_view(int h, int g) const {
    const int64_t group = static_cast<int64_t>(h) * shape.head_groups * padded;
    return {q + group + g * V::lanes,
            k + group,
            v + static_cast<int64_t>(h) * shape.head_dim * (padded / 4),
            args.attention.bias + h * args.attention.bias_head + g * args.attention.bias_group,
            key_terms + static_cast<int64_t>(h) * padded,
            value_terms + h * shape.head_dim,
            region,
            V::load(region + g * V::lanes),
            padded};
  }

  // Codes of the attention map of one vector of queries; returns their sums.
  F attention_map(int h, int g, const HeadView<simd::Plain<V>>& head, bool masked, int32_t* words) {
    using Scores = simd::Plain<V>;
    const auto see = watch.scores(h, g);
    const F sum = masked ? exponentials_of<Scores, Wide, true>(args.attention, head, shape, scores, see)
                         : exponentials_of<Scores, Wide, false>(args.attention, head, shape, scores, see);
    for (int t = shape.tokens; t < padded; ++t) V::store(scores + t * V::lanes, V::set(never));
    watch.lap(Phase::scores);
    const F map_sums = map_codes<V>(args.attention, scores, padded, sum, words);
    watch.map_codes(h, g, words);
    watch.lap(Phase::softmax);
    return map_sums;
  }

  int32_t* context_of(int h, int g) const { return context + static_cast<int64_t>(h) * shape.head_groups * padded + g * V::lanes; }

  void attend_head(int h, int g, bool masked) {
    const HeadView<simd::Plain<V>> head = head_view(h, g);
    const F map_sums = attention_map(h, g, head, masked, map_words);
    auto see = [&](int c, I acc) { watch.sum(Sum::context, h * shape.head_dim + c, shape.dim, g, acc); };
    int32_t* out = context_of(h, g);
    head_context<V, Wide>(args.attention, head, shape.head_dim, map_words, map_sums, see, [&]<int N>(int c, const F(&y)[N]) {
#pragma GCC unroll 3
      for (int m = 0; m < N; m += 4) {
        V::store_i(out + static_cast<int64_t>((c + m) / 4) * padded, pack_codes<V>(y[m], y[m + 1], y[m + 2], y[m + 3], args.attention.context));
      }
    });
    watch.lap(Phase::context);
  }

  // x += layer(codes): a residual branch ends.
  void add_linear(const LinearArgs& layer, const int32_t* codes, Sum part) {
    auto see = [&](int n, int g, I acc) { watch.sum(part, n, shape.dim, g, acc); };
    linear<V, Wide, 4, V::tile_tokens>(layer, codes, shape.token_groups, sums, see, [&](int n, int g, const F(&y)[4][V::tile_tokens]) {
#pragma GCC unroll 4
      for (int m = 0; m < 4; ++m) {
#pragma GCC unroll 4
        for (int j = 0; j < V::tile_tokens; ++j) {
          float* at = x + static_cast<int64_t>(n + m) * padded + (g + j) * V::lanes;
          V::store(at, V::add(V::load(at), y[m][j]));
        }
      }
    });
  }

  // Step 6.
  void perceive() {
    norm_codes<V, 1>(x, shape, {&args.fc1_norm}, {input[0]});
    watch.codes(Site::fc1_input, input[0], shape.dim, shape.dim);
    watch.lap(Phase::norm2);
    const F scale = V::set(args.hidden.scale), offset = V::set(args.hidden.offset);
    auto see = [&](int n, int g, I acc) { watch.sum(Sum::fc1, n, shape.hidden, g, acc); };
    linear<V, Wide, 4, V::tile_tokens>(args.fc1, input[0], shape.token_groups, sums, see, [&](int n, int g, const F(&y)[4][V::tile_tokens]) {
#pragma GCC unroll 4
      for (int j = 0; j < V::tile_tokens; ++j) {
        F z[4];
#pragma GCC unroll 4
        for (int m = 0; m < 4; ++m) z[m] = V::fma(gelu<V>(y[m][j]), scale, offset);
        V::store_i(hidden + (static_cast<int64_t>(n / 4) * shape.token_groups + g + j) * V::lanes, pack_codes<V>(z[0], z[1], z[2], z[3], args.hidden.range));
      }
    });
    watch.codes(Site::fc2_input, hidden, shape.hidden, shape.hidden);
    watch.lap(Phase::fc1);
    add_linear(args.fc2, hidden, Sum::fc2);
    watch.lap(Phase::fc2);
  }
};

template <class V, bool Wide, class Watch>
void run_windows(const WindowBlockArgs& args) {
  BlockRun<V, Wide, Watch> run(args);
  [[maybe_unused]] const typename V::Guard guard;
  if constexpr (V::has_tiles) V::tiles_begin();
  for (int64_t index = args.first; index < args.last; ++index) run.window(index);
  if constexpr (V::has_tiles) V::tiles_end();
}

// A Watch of its own is for probes alone (probe/recorder.h).
template <class V, template <class> class Watch>
void window_block_watched(const WindowBlockArgs& args) {
  if (args.pieced) return run_windows<simd::Pieced<V>, V::needs_wide, Watch<V>>(args);
  if constexpr (V::needs_wide) {
    if (args.wide) return run_windows<V, true, Watch<V>>(args);
  }
  if constexpr (V::has_pairs) {
    if (args.narrow) return run_windows<simd::Pairs<V>, false, Watch<V>>(args);
  }
  run_windows<V, false, Watch<V>>(args);
}

template <class V>
void window_block(const WindowBlockArgs& args) {
  window_block_watched<V, Timer>(args);
}

}  // namespace intaglio::kernels
