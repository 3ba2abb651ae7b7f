// The three ways to run a block: silently, timing its phases, or recording every code and sum. Chosen at compile time.
#pragma once

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "kernels/block_args.h"

namespace intaglio::kernels {

// Nothing is watched: every call vanishes.
template <class V>
struct Silent {
  explicit Silent(const WindowBlockArgs&) {}
  void window(int64_t) {}
  void lap(Phase) {}
  void codes(Site, const int32_t*, int, int) {}
  void value_codes(const int32_t*) {}
  void map_codes(int, int, const int32_t*) {}
  void sum(Sum, int, int, int, typename V::I) {}
  void score(int, int, int, typename V::I) {}
};

template <class V>
inline uint64_t ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  uint64_t now;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(now));
  return now;
#else
  return 0;
#endif
}

template <class V>
struct Timer : Silent<V> {
  PhaseTicks& spent;
  uint64_t last = 0;
  explicit Timer(const WindowBlockArgs& args) : Silent<V>(args), spent(*args.ticks) {}
  void window(int64_t) { last = ticks<V>(); }
  void lap(Phase phase) {
    const uint64_t now = ticks<V>();
    spent.ticks[static_cast<int>(phase)] += now - last;
    last = now;
  }
};

// Undoes the packing: writes what the reference's probe would see.
template <class V>
struct Recorder {
  const BlockShape& shape;
  const BlockTrace& trace;
  int padded;
  int64_t at = 0;

  explicit Recorder(const WindowBlockArgs& args) : shape(args.shape), trace(*args.trace), padded(args.shape.token_groups * V::lanes) {}
  void window(int64_t index) { at = index; }
  void lap(Phase) {}

  // Codes of `channels` channels in runs of `run`, each run padded to whole groups of four.
  void codes(Site site, const int32_t* words, int channels, int run) {
    uint8_t* to = trace.codes[static_cast<int>(site)] + at * shape.tokens * channels;
    const auto* bytes = reinterpret_cast<const uint8_t*>(words);
    for (int c = 0; c < channels; ++c) {
      const int slot = c / run * ((run + 3) / 4 * 4) + c % run;
      for (int t = 0; t < shape.tokens; ++t) to[t * channels + c] = bytes[(static_cast<int64_t>(slot / 4) * padded + t) * 4 + slot % 4];
    }
  }
  // The key or query that byte b of word (set, lane) holds.
  static int token(int word, int byte) { return (word / V::lanes * 4 + byte) * V::lanes + word % V::lanes; }
  void value_codes(const int32_t* words) {
    uint8_t* to = trace.codes[static_cast<int>(Site::context_b)] + at * shape.tokens * shape.dim;
    const auto* bytes = reinterpret_cast<const uint8_t*>(words);
    for (int c = 0; c < shape.dim; ++c) {
      for (int i = 0; i < padded; ++i) {
        const int t = token(i / 4, i % 4);
        if (t < shape.tokens) to[t * shape.dim + c] = bytes[static_cast<int64_t>(c) * padded + i];
      }
    }
  }
  void map_codes(int head, int group, const int32_t* words) {
    uint8_t* to = trace.codes[static_cast<int>(Site::context_a)] + (at * shape.heads + head) * shape.tokens * shape.tokens;
    const auto* bytes = reinterpret_cast<const uint8_t*>(words);
    for (int i = 0; i < padded; ++i) {
      const int key = token(i / 4, i % 4);
      for (int lane = 0; lane < V::lanes; ++lane) {
        const int query = group * V::lanes + lane;
        if (key < shape.tokens && query < shape.tokens) to[query * shape.tokens + key] = bytes[(static_cast<int64_t>(i / 4) * V::lanes + lane) * 4 + i % 4];
      }
    }
  }
  // R of output `channel` of `channels`, tokens of vector `group`; channels beyond are padding.
  void sum(Sum part, int channel, int channels, int group, typename V::I acc) {
    if (channel < 0 || channel >= channels) return;
    int32_t lanes[V::lanes];
    V::store_i(lanes, acc);
    int32_t* to = trace.sums[static_cast<int>(part)] + at * shape.tokens * channels;
    for (int i = 0; i < V::lanes; ++i) {
      const int t = group * V::lanes + i;
      if (t < shape.tokens) to[t * channels + channel] = lanes[i];
    }
  }
  void score(int head, int group, int key, typename V::I acc) {
    int32_t lanes[V::lanes];
    V::store_i(lanes, acc);
    int32_t* to = trace.sums[static_cast<int>(Sum::scores)] + (at * shape.heads + head) * shape.tokens * shape.tokens;
    for (int i = 0; i < V::lanes; ++i) {
      const int query = group * V::lanes + i;
      if (query < shape.tokens) to[query * shape.tokens + key] = lanes[i];
    }
  }
};

}  // namespace intaglio::kernels
