// Values that come from the file: constant and position_bias, which are made once, and shift_mask, which depends on the picture.
#include <algorithm>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

class ConstantOp final : public Op {
 public:
  ConstantOp(const std::vector<int64_t>& shape, std::vector<float> values) : values_(std::move(values)) {
    for (int64_t length : shape) dims_.append(length);
  }
  const float* constant() const override { return values_.data(); }
  Dims shape(const Operands&) const override { return dims_; }
  void run(const Context&) const override {}

 private:
  Dims dims_;
  std::vector<float> values_;
};

// Made once unless it is large.
class PositionBiasOp final : public Op {
 public:
  explicit PositionBiasOp(const OpSpec& spec) {
    const auto window = spec.integers("window", 2);
    h_ = window[0], w_ = window[1], heads_ = spec.shape_of("table").back();
    table_ = spec.tensor("table", {(2 * h_ - 1) * (2 * w_ - 1), heads_});
    constexpr int64_t large = 1 << 22;
    if (heads_ * tokens() * tokens() > large) return;
    values_.resize(static_cast<size_t>(heads_ * tokens() * tokens()));
    for (int64_t row = 0; row < heads_ * tokens(); ++row) fill(row, values_.data() + row * tokens());
  }
  const float* constant() const override { return values_.empty() ? nullptr : values_.data(); }
  Dims shape(const Operands&) const override { return {heads_, tokens(), tokens()}; }
  void run(const Context& context) const override {
    context.pool.run(heads_ * tokens(), [&](int, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) fill(row, context.out.data + row * tokens());
    });
  }

 private:
  int64_t tokens() const { return h_ * w_; }
  void fill(int64_t row, float* to) const {
    const int64_t head = row / tokens(), i = row % tokens();
    for (int64_t j = 0; j < tokens(); ++j) {
      const int64_t index = (i / w_ - j / w_ + h_ - 1) * (2 * w_ - 1) + i % w_ - j % w_ + w_ - 1;
      to[j] = table_[static_cast<size_t>(index * heads_ + head)];
    }
  }

  int64_t h_, w_, heads_;
  std::vector<float> table_, values_;
};

// Regions of the rolled map: two tokens of a window see each other within one of nine.
class ShiftMaskOp final : public Op {
 public:
  explicit ShiftMaskOp(const OpSpec& spec) : height_(spec.extents("height").at(0)), width_(spec.extents("width").at(0)), value_(spec.number("value")) {
    const auto window = spec.integers("window", 2), shift = spec.integers("shift", 2);
    for (size_t axis = 0; axis < 2; ++axis) {
      window_[axis] = window[axis], shift_[axis] = shift[axis];
      if (shift[axis] >= window[axis]) spec.refuse("the shift is not less than the window");
    }
  }
  Dims shape(const Operands& operands) const override {
    const int64_t h = height_.evaluate(operands.padded_h, operands.padded_w), w = width_.evaluate(operands.padded_h, operands.padded_w), tokens = window_[0] * window_[1];
    if (h < 1 || w < 1 || h % window_[0] || w % window_[1]) refuse_shapes("shift_mask", "a map of whole windows");
    if (h > int64_t{1} << 30 || w > int64_t{1} << 30) throw Error("a mask is larger than any picture; use a smaller picture");
    return {h / window_[0] * (w / window_[1]), tokens, tokens};
  }
  void run(const Context& context) const override {
    const int64_t h = height_.evaluate(context.padded_h, context.padded_w), w = width_.evaluate(context.padded_h, context.padded_w);
    const int64_t across = w / window_[1], tokens = window_[0] * window_[1];
    context.pool.run(context.out.dims[0], [&](int, int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        const auto mark = [&](int64_t token) {
          return 3 * region(at / across * window_[0] + token / window_[1], h, 0) + region(at % across * window_[1] + token % window_[1], w, 1);
        };
        float* to = context.out.data + at * tokens * tokens;
        for (int64_t i = 0; i < tokens; ++i) {
          const int64_t own = mark(i);
          for (int64_t j = 0; j < tokens; ++j) *to++ = mark(j) == own ? 0.0f : value_;
        }
      }
    });
  }

 private:
  int64_t region(int64_t at, int64_t n, int axis) const { return (at >= n - window_[axis]) + (at >= n - shift_[axis]); }

  int64_t window_[2], shift_[2];
  Extent height_, width_;
  float value_;
};

}  // namespace

std::unique_ptr<Op> make_constant(const OpSpec& spec, const KernelTable&) {
  const auto& shape = spec.shape_of("value");
  if (shape.size() > static_cast<size_t>(max_rank)) spec.refuse("has more axes than a value may have");
  return std::make_unique<ConstantOp>(shape, spec.tensor("value", shape));
}

std::unique_ptr<Op> make_position_bias(const OpSpec& spec, const KernelTable&) { return std::make_unique<PositionBiasOp>(spec); }

std::unique_ptr<Op> make_shift_mask(const OpSpec& spec, const KernelTable&) { return std::make_unique<ShiftMaskOp>(spec); }

}  // namespace intaglio
