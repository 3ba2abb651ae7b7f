// Arguments of window_block: a transformer block packed for one vector width, a map, and a run of windows. docs/numerics.md, section 5.
//
// Tokens lie in lanes. A window of T = window^2 tokens takes `token_groups` vectors of `lanes` tokens (a multiple of 4, padded with zero tokens).
// Codes of one site are [channel group][token group][lane] words of 4 bytes: 4 consecutive channels of one token, the operand of the 4-way dot product.
// Heads are padded to whole channel groups, so that channel c of head h is channel h * head_groups * 4 + c; padded channels have code 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/block_observer.h"
#include "kernels/code_range.h"

namespace intaglio {

// x * scale + offset is x in units of codes. LayerNorm and the linears fold scale and offset into their own constants.
struct FoldedGrid {
  float scale = 0.0f;
  float offset = 0.0f;
  CodeRange range;
};

// A quantized linear layer: y[n] = R[n] * scale[n] + (sum of the codes of x) * sum[n] + offset[n], equation (5).
struct LinearArgs {
  const int32_t* words = nullptr;  // [outputs / 4][groups][4]: signed codes of 4 inputs for 4 outputs
  const int8_t* tiles = nullptr;   // [outputs / 16][groups / 16][16][64]: the same, one output a row; only for tile products
  const float* scale = nullptr;    // [outputs]
  const float* sum = nullptr;
  const float* offset = nullptr;
  int groups = 0;   // inputs / 4, rounded up
  int outputs = 0;  // a multiple of 4
  int32_t last_ones = 0;  // a one for each input of the last group that is not padding: only those count in the sum of the codes
};

// LayerNorm followed by a grid: (x - mean) / std in units of codes is normalised * scale[c] + offset[c].
struct NormArgs {
  const float* scale = nullptr;  // [channel groups * 4]
  const float* offset = nullptr;
  CodeRange range;
};

struct AttentionArgs {
  // Relative position bias times log2(e): the vector for token group g and the key (ky, kx) is at bias + head * bias_head + g * bias_group + ky * bias_row + kx * lanes.
  const float* bias = nullptr;
  int64_t bias_head = 0, bias_group = 0, bias_row = 0;
  float score = 0.0f;           // step_q * step_k * log2(e)
  float key_sum = 0.0f;         // of the sum of a key's codes, times log2(e)
  int32_t key_shift = 0;        // exclusive-or mask that turns codes of k into signed codes
  int32_t value_shift = 0;
  FoldedGrid map;                 // the attention map
  float product = 0.0f;         // of R of the context, already on the grid of proj.input
  float map_sum = 0.0f;         // of the sum of the attention codes
  float value_sum = 0.0f;       // of the sum of the codes of v: 0 if the attention grid starts at 0
  float constant = 0.0f;
  CodeRange context;            // on the grid of proj.input
};

struct BlockShape {
  int dim, heads, window, shift, hidden;
  int head_dim;      // dim / heads
  int head_groups;   // head_dim / 4, rounded up
  int tokens;        // window * window
  int token_groups;  // vectors of tokens, a multiple of 4
  int key_rows;      // the keys of a query: rows of `window`
  int dim_groups;    // dim / 4, rounded up
  float eps;
};

struct WindowBlockArgs {
  BlockShape shape;
  NormArgs q_norm, k_norm, v_norm, fc1_norm;
  bool shared_input;  // q, k and v read the same codes
  LinearArgs q, k, v, proj, fc1, fc2;
  CodeRange q_range, k_range, v_range;
  FoldedGrid hidden;  // codes of the GELU outputs
  AttentionArgs attention;
  bool wide;    // some product needs dot4<true>
  bool narrow;  // no sum of pairs of byte products leaves 16 bits
  bool pieced;  // some grid has pieces
  // The map, updated in place, and the windows [first, last) of its rolled form, in raster order.
  float* map;
  int64_t plane;
  int64_t height, width;
  int64_t first, last;
  std::byte* scratch;  // block_scratch_bytes(shape, lanes)
  PhaseTicks* ticks;   // may be null
  BlockTrace* trace;   // for probes (probe/traced.h); nothing else looks at it
};

// One head of attention among the tokens of one window, outside of a block: `shape` has its tokens in one row of keys. Codes as in a block, context to `out`.
struct AttentionHeadArgs {
  BlockShape shape;
  AttentionArgs attention;
  const int32_t *q, *k, *v;   // [head_groups][padded] words, the same, [head_dim][padded / 4] words in the order of map_codes
  const float* bias;          // [token group][tokens][lanes]
  const float* key_terms;     // [padded]
  const float* value_terms;   // [head_dim]
  const float* region;        // [padded], or null: no token is hidden from another
  float* out;                 // [tokens][head_dim], `out_step` floats from token to token
  int64_t out_step;
  float* scores;              // [padded][lanes]
  int32_t* map_words;         // [padded / 4][lanes]
  float* context;             // [head_dim, up to a multiple of 4][lanes]
  bool wide, narrow;
};

}  // namespace intaglio
