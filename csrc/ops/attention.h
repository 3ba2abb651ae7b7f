// Attention in windows between two products of codes, where no whole block was recognised: one pass over each head of each window.
#pragma once

#include <vector>

#include "engine/op.h"
#include "engine/spec.h"
#include "ops/aligned.h"

namespace intaglio {

// Inputs: q (windows, heads, tokens, d), k (windows, heads, d, tokens), v (windows, heads, tokens, d); output as q. Attributes `heads`, `tokens`, `width`;
// sites `scores.a`, `scores.b`, `context.a`, `context.b`; `bias` (heads, tokens, tokens), which is added to the scores times `factor` (heads).
// Where inputs are other values, of which heads are parts: `q`, `k`, `v`, the places of their first number and of the next window, head, token and
// channel. `turned`: the output is (windows, tokens, heads, d). Where there is a mask: `window` and `shift`, down and across, `height` and `width_of_map`, as in `shift_mask`.
class Attention final : public Op {
 public:
  Attention(const OpSpec& spec, const KernelTable& kernels);

  Dims shape(const Operands& operands) const override;
  Workspace workspace(const Operands& operands) const override;
  void run(const Context& context) const override;

 private:
  struct Scratch;
  struct Place {
    int64_t first, window, head, token, channel;
    int64_t of(int64_t at_window, int64_t at_head) const { return first + at_window * window + at_head * head; }
  };
  struct Mask {
    int64_t window[2] = {0, 0}, shift[2] = {0, 0};
    Extent height, width;
  };

  Place read_place(const OpSpec& spec, const char* role, int64_t token, int64_t channel) const;
  void pack_bias(const std::vector<float>& bias);
  bool regions(const Context& context, int64_t window, float* region) const;
  void code_keys(const Context& context, int64_t window, int64_t head, std::byte* scratch) const;
  void code_values(const Context& context, int64_t window, int64_t head, std::byte* scratch) const;
  void spread(const uint8_t* codes, int32_t* to, int32_t shift) const;
  void run_head(const Context& context, int64_t window, int64_t head, std::byte* scratch) const;

  const KernelTable& kernels_;
  BlockShape shape_{};
  int padded_;
  AttentionArgs attention_{};
  bool wide_, narrow_, has_mask_;
  CodeGrid q_, k_, v_;
  Place q_at_, k_at_, v_at_, out_at_;
  bool turned_;
  std::vector<float> factors_;
  AlignedVector<uint8_t> ones_;
  AlignedVector<float> bias_;
  Mask mask_;
};

}  // namespace intaglio
