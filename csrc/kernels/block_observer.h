// What may be watched inside a block: time by phase, by whoever asks for it; the codes and integer sums of every site, by probes.
#pragma once

#include <cstdint>

namespace intaglio {

enum class Phase : int { load, norm1, qkv, scores, softmax, context, proj, norm2, fc1, fc2, store, count };

inline constexpr const char* phase_names[] = {"load", "norm1", "qkv", "scores", "softmax", "context", "proj", "norm2", "fc1", "fc2", "store"};

// The sites of a block in the order of execution, and its integer products. Names and shapes are those of the reference's probe.
enum class Site : int { q_input, k_input, v_input, scores_a, scores_b, context_b, context_a, proj_input, fc1_input, fc2_input, count };
enum class Sum : int { q, k, v, scores, context, proj, fc1, fc2, count };

// Ticks of the processor's clock in each phase, summed over windows. One for each thread.
struct PhaseTicks {
  uint64_t ticks[static_cast<int>(Phase::count)] = {};
};

// Buffers for all windows of a map, codes and sums of one window after another: linears (windows, tokens, channels), scores and attention map
// (windows, heads, queries, keys). Sums are those of the operands as the kernel multiplies them, the signed one shifted.
struct BlockTrace {
  uint8_t* codes[static_cast<int>(Site::count)] = {};
  int32_t* sums[static_cast<int>(Sum::count)] = {};
};

}  // namespace intaglio
