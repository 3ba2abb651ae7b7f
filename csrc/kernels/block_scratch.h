// Where the pieces of one window live in a thread's scratch: about 50 KiB for 64 tokens of 60 channels.
#pragma once

#include "kernels/block_args.h"

namespace intaglio {

// Offsets in bytes, multiples of 64. `static`: a shared inline function would be kept once for all instruction sets.
struct BlockScratch {
  size_t x, row_sums, region, input[3], q, k, v, key_terms, value_terms, scores, map_words, context, hidden, real_keys, bytes;
};

static inline size_t take(size_t& end, size_t bytes) {
  const size_t start = end;
  end += (bytes + 63) / 64 * 64;
  return start;
}

static inline BlockScratch block_scratch(const BlockShape& shape, int lanes) {
  const size_t padded = static_cast<size_t>(shape.token_groups) * static_cast<size_t>(lanes);  // tokens with padding
  const size_t dim = static_cast<size_t>(shape.dim_groups), heads = static_cast<size_t>(shape.heads);
  const size_t head = heads * static_cast<size_t>(shape.head_groups), hidden = (static_cast<size_t>(shape.hidden) + 3) / 4;
  const size_t word = sizeof(int32_t);
  BlockScratch at{};
  size_t end = 0;
  at.x = take(end, dim * 4 * padded * word);
  at.row_sums = take(end, padded * word);
  at.region = take(end, padded * word);
  for (size_t& input : at.input) input = take(end, dim * padded * word);
  at.q = take(end, head * padded * word);
  at.k = take(end, head * padded * word);
  at.v = take(end, dim * padded * word);  // dim * 4 channels of padded / 4 words
  at.key_terms = take(end, heads * padded * word);
  at.value_terms = take(end, dim * 4 * word);
  at.scores = take(end, padded * static_cast<size_t>(lanes) * word);
  at.map_words = take(end, padded * static_cast<size_t>(lanes));
  at.context = take(end, head * padded * word);
  at.hidden = take(end, hidden * padded * word);
  at.real_keys = take(end, padded);
  end += 16 * padded * word;  // tile products read 16 rows of words, whatever the number of channel groups
  at.bytes = end;
  return at;
}

}  // namespace intaglio
