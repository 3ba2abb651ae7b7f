// Operations on single values of maps.
#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

class AddOp final : public Op {
 public:
  explicit AddOp(const OpSpec& spec) : scale_(spec.number("scale")) {}

  Shape shape(const Operands& operands) const override {
    if (!(operands.in.at(0) == operands.in.at(1))) throw Error("'add' joins maps of different shapes; the program is damaged, pack the model again");
    return operands.in[0];
  }
  int in_place() const override { return 0; }

  void run(const Context& context) const override {
    const Map &a = context.in[0], &b = context.in[1], &out = context.out;
    const int64_t pixels = out.shape.h * out.shape.w;
    context.pool.run(out.shape.c, [&](int, int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        const float *from_a = a.channel(c), *from_b = b.channel(c);
        float* to = out.channel(c);
        for (int64_t i = 0; i < pixels; ++i) to[i] = from_a[i] + scale_ * from_b[i];
      }
    });
  }

 private:
  float scale_;
};

}  // namespace

std::unique_ptr<Op> make_add(const OpSpec& spec, const KernelTable&) { return std::make_unique<AddOp>(spec); }

}  // namespace intaglio
