// Operations on values one by one, and on the channels of one pixel: add, mul, activation, layer_norm. All may write in place.
#include "engine/error.h"
#include "ops/activation_spec.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

// Threads take runs of pixels, the same in all planes: run(c, first pixel, pixels).
template <class Run>
void for_each_run(const Context& context, const Run& run) {
  const Shape& shape = context.out.shape;
  context.pool.run(shape.h, [&](int, int64_t begin, int64_t end) {
    for (int64_t c = 0; c < shape.c; ++c) run(c, begin * shape.w, (end - begin) * shape.w);
  });
}

class AddOp final : public Op {
 public:
  AddOp(const OpSpec& spec, const KernelTable& kernels) : kernel_(kernels.add), scale_(spec.number("scale")) {}

  Shape shape(const Operands& operands) const override {
    if (!(operands.in.at(0) == operands.in.at(1))) throw Error("'add' joins maps of different shapes; the program is damaged, pack the model again");
    return operands.in[0];
  }
  int in_place() const override { return 0; }
  void run(const Context& context) const override {
    for_each_run(context, [&](int64_t c, int64_t at, int64_t n) {
      kernel_({context.in[0].channel(c) + at, context.in[1].channel(c) + at, context.out.channel(c) + at, n, scale_});
    });
  }

 private:
  void (*kernel_)(const AddArgs&);
  float scale_;
};

// The second factor is a map of the same shape, or one number for each channel.
class MulOp final : public Op {
 public:
  explicit MulOp(const KernelTable& kernels) : kernel_(kernels.multiply) {}

  Shape shape(const Operands& operands) const override {
    const Shape &a = operands.in.at(0), &b = operands.in.at(1);
    if (!(a == b) && !(b == Shape{a.c, 1, 1})) throw Error("'mul' joins maps of different shapes; the program is damaged, pack the model again");
    return a;
  }
  int in_place() const override { return 0; }
  void run(const Context& context) const override {
    const Map &a = context.in[0], &b = context.in[1];
    const bool whole = a.shape == b.shape;
    for_each_run(context, [&](int64_t c, int64_t at, int64_t n) {
      kernel_({a.channel(c) + at, whole ? b.channel(c) + at : nullptr, context.out.channel(c) + at, n, whole ? 0.0f : *b.channel(c)});
    });
  }

 private:
  void (*kernel_)(const MultiplyArgs&);
};

// The number of channels is known from the map only, and the slopes of prelu must match it.
class ActivationOp final : public Op {
 public:
  ActivationOp(const OpSpec& spec, const KernelTable& kernels) : kernel_(kernels.activate), activation_(ActivationSpec::read(spec)) {}

  Shape shape(const Operands& operands) const override {
    if (!activation_.fits(operands.in.at(0).c)) throw Error("a prelu has slopes for another number of channels; the program is damaged, pack the model again");
    return operands.in[0];
  }
  int in_place() const override { return 0; }
  void run(const Context& context) const override {
    for_each_run(context, [&](int64_t c, int64_t at, int64_t n) {
      kernel_({context.in[0].channel(c) + at, context.out.channel(c) + at, n, activation_.act, activation_.slope(c)});
    });
  }

 private:
  void (*kernel_)(const ActivateArgs&);
  ActivationSpec activation_;
};

class LayerNormOp final : public Op {
 public:
  LayerNormOp(const OpSpec& spec, const KernelTable& kernels)
      : kernel_(kernels.layer_norm), dim_(spec.integer("dim", 1, 65536)), eps_(spec.number("eps")), norm_(spec.tensor("norm", {2, dim_})) {
    if (eps_ < 0.0f) spec.refuse("eps is negative");
  }

  Shape shape(const Operands& operands) const override {
    if (operands.in.at(0).c != dim_) throw Error("'layer_norm' reads a map of another number of channels; the program is damaged, pack the model again");
    return operands.in[0];
  }
  int in_place() const override { return 0; }
  void run(const Context& context) const override {
    const Map &in = context.in[0], &out = context.out;
    context.pool.run(out.shape.h, [&](int, int64_t begin, int64_t end) {
      kernel_({in.row(0, begin), in.plane, out.row(0, begin), out.plane, (end - begin) * out.shape.w, static_cast<int>(dim_), eps_, norm_.data(),
               norm_.data() + dim_});
    });
  }

 private:
  void (*kernel_)(const LayerNormArgs&);
  int64_t dim_;
  float eps_;
  std::vector<float> norm_;
};

}  // namespace

std::unique_ptr<Op> make_add(const OpSpec& spec, const KernelTable& kernels) { return std::make_unique<AddOp>(spec, kernels); }
std::unique_ptr<Op> make_mul(const OpSpec&, const KernelTable& kernels) { return std::make_unique<MulOp>(kernels); }
std::unique_ptr<Op> make_activation(const OpSpec& spec, const KernelTable& kernels) { return std::make_unique<ActivationOp>(spec, kernels); }
std::unique_ptr<Op> make_layer_norm(const OpSpec& spec, const KernelTable& kernels) { return std::make_unique<LayerNormOp>(spec, kernels); }

}  // namespace intaglio
