// Other names for values that are there: reshape, and neighbouring planes of a map.
#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

class ReshapeOp final : public Op {
 public:
  explicit ReshapeOp(const OpSpec& spec) : shape_(spec.extents("shape")) {
    int rests = 0;
    for (const Extent& length : shape_) {
      rests += length.is(-1);
      if (length.is(0)) spec.refuse("a length is 0");
    }
    if (rests > 1) spec.refuse("two lengths are left open");
  }
  bool renames() const override { return true; }
  Dims shape(const Operands& operands) const override {
    Dims out;
    int rest = -1;
    for (const Extent& length : shape_) {
      if (length.is(-1)) rest = out.rank;
      out.append(length.is(-1) ? 1 : length.evaluate(operands.padded_h, operands.padded_w));
    }
    int64_t known = 1;
    for (int axis = 0; axis < out.rank; ++axis) {
      if (out[axis] < 1 || __builtin_mul_overflow(known, out[axis], &known)) refuse_shapes("reshape", "as many numbers as its shape has");
    }
    const int64_t count = operands.in.at(0).count();
    if (rest < 0 ? count != known : count % known != 0) refuse_shapes("reshape", "as many numbers as its shape has");
    if (rest >= 0) out[rest] = count / known;
    return out;
  }
  void run(const Context&) const override {}

 private:
  std::vector<Extent> shape_;
};

// Neighbouring planes of a map that holds floats and codes of them: nothing is moved.
class PlanesOfOp final : public MapOp {
 public:
  explicit PlanesOfOp(const OpSpec& spec) : first_(spec.integer("first", 0, 1 << 16)), planes_(spec.integer("planes", 1, 1 << 16)) {}
  bool renames() const override { return true; }
  int64_t first_plane() const override { return first_; }
  Layout layout() const override { return Layout::as_input; }
  bool by_rows(const Operands&) const override { return true; }
  Dims shape(const Operands& operands) const override {
    Dims out = operands.in.at(0);
    if (!out.is_map() || out[1] < first_ + planes_) refuse_shapes("planes_of", "a map of one picture with these planes");
    out[1] = planes_;
    return out;
  }
  void run(const Context&) const override {}

 private:
  int64_t first_, planes_;
};

}  // namespace

std::unique_ptr<Op> make_reshape(const OpSpec& spec, const KernelTable&) { return std::make_unique<ReshapeOp>(spec); }
std::unique_ptr<Op> make_planes_of(const OpSpec& spec, const KernelTable&) { return std::make_unique<PlanesOfOp>(spec); }

}  // namespace intaglio
