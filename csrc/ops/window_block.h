// The transformer block as an operation. `WindowBlock` is also used on its own by tests and benchmarks, which watch it.
#pragma once

#include <vector>

#include "engine/op.h"
#include "engine/spec.h"
#include "ops/pack_linear.h"

namespace intaglio {

class WindowBlock final : public MapOp {
 public:
  WindowBlock(const OpSpec& spec, const KernelTable& kernels);

  Dims shape(const Operands& operands) const override;
  Workspace workspace(const Operands& operands) const override;
  bool in_place(int) const override { return true; }
  void run(const Context& context) const override;

  const BlockShape& block_shape() const { return shape_; }
  int64_t windows(const Map& map) const;
  // What the kernel is called with for the windows [first, last) of the map, on one thread; `ticks` may be null.
  WindowBlockArgs arguments(const Map& map, int64_t first, int64_t last, std::byte* scratch, PhaseTicks* ticks) const;
  void run_windows(const Map& map, int64_t first, int64_t last, std::byte* scratch, PhaseTicks* ticks) const;

 private:
  struct Norm {
    std::vector<float> scale, offset;
    CodeRange range;
    NormArgs args() const { return {scale.data(), offset.data(), range}; }
  };

  Norm pack_norm(const OpSpec& spec, const std::vector<float>& rows, int row, const std::string& role) const;
  void pack_linears(const OpSpec& spec);
  void pack_attention(const OpSpec& spec);
  void pack_bias(const OpSpec& spec);

  const KernelTable& kernels_;
  BlockShape shape_{};
  Norm q_norm_, k_norm_, v_norm_, fc1_norm_;
  PackedLinear q_, k_, v_, proj_, fc1_, fc2_;
  std::vector<float> bias_;
  WindowBlockArgs args_{};  // complete but for the map and the windows
};

}  // namespace intaglio
