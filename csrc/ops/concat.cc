// Maps one after another along channels.
#include <algorithm>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

class ConcatOp final : public Op {
 public:
  Shape shape(const Operands& operands) const override {
    Shape shape = operands.in.at(0);
    shape.c = 0;
    for (const Shape& in : operands.in) {
      if (in.h != shape.h || in.w != shape.w) throw Error("'concat' joins maps of different sizes; the program is damaged, pack the model again");
      shape.c += in.c;
    }
    return shape;
  }
  void run(const Context& context) const override {
    const Map& out = context.out;
    context.pool.run(out.shape.h, [&](int, int64_t begin, int64_t end) {
      int64_t to = 0;
      for (const Map& in : context.in) {
        for (int64_t c = 0; c < in.shape.c; ++c, ++to) std::copy(in.row(c, begin), in.row(c, begin) + (end - begin) * in.shape.w, out.row(to, begin));
      }
    });
  }
};

}  // namespace

std::unique_ptr<Op> make_concat(const OpSpec&, const KernelTable&) { return std::make_unique<ConcatOp>(); }

}  // namespace intaglio
