// Undoes the packing of a block: writes every code and every integer sum as the reference's probe would see it. For tests alone, so it is built apart
// (CMake option INTAGLIO_PROBE).
#pragma once

#include "kernels/block_args.h"

namespace intaglio::probe {

template <class V>
struct Recorder;

// Takes the score of each key for one vector of queries.
template <class V>
struct ScoreRecorder {
  Recorder<V>& recorder;
  int head, group;
  void operator()(int key, typename V::I acc) const { recorder.score(head, group, key, acc); }
};

// A member that is called for every vector is not inlined: nobody waits for a probe, but everybody for its compilation.
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
  __attribute__((noinline)) void sum(Sum part, int channel, int channels, int group, typename V::I acc) {
    if (channel < 0 || channel >= channels) return;
    write(acc, group, trace.sums[static_cast<int>(part)] + at * shape.tokens * channels + channel, channels);
  }
  ScoreRecorder<V> scores(int head, int group) { return {*this, head, group}; }
  __attribute__((noinline)) void score(int head, int group, int key, typename V::I acc) {
    int32_t* to = trace.sums[static_cast<int>(Sum::scores)] + (at * shape.heads + head) * shape.tokens * shape.tokens;
    write(acc, group, to + key, shape.tokens);
  }

 private:
  // The lanes that are tokens, `stride` words apart.
  void write(typename V::I acc, int group, int32_t* to, int stride) {
    int32_t lanes[V::lanes];
    V::store_i(lanes, acc);
    for (int i = 0; i < V::lanes; ++i) {
      const int t = group * V::lanes + i;
      if (t < shape.tokens) to[static_cast<int64_t>(t) * stride] = lanes[i];
    }
  }
};

}  // namespace intaglio::probe
