// Values one after another along an axis.
#include <algorithm>
#include <cstring>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

class ConcatOp final : public MapOp {
 public:
  explicit ConcatOp(const OpSpec& spec) : axis_(static_cast<int>(spec.integer("axis", 0, max_rank - 1))) {}

  Dims shape(const Operands& operands) const override {
    Dims out = operands.in.at(0);
    if (axis_ >= out.rank) refuse_shapes("concat", "the axis that it names");
    int64_t length = 0;
    for (Dims in : operands.in) {
      if (in.rank != out.rank) refuse_shapes("concat", "shapes that are equal but for its axis");
      length += in[axis_];
      in[axis_] = out[axis_];
      if (!(in == out)) refuse_shapes("concat", "shapes that are equal but for its axis");
    }
    out[axis_] = length;
    return out;
  }
  // Threads take blocks of what lies together in an input, of all inputs.
  void run(const Context& context) const override {
    const Tensor& out = context.out;
    const int64_t inner = out.dims.count(axis_ + 1, out.dims.rank);
    int64_t first = 0;
    for (const Tensor& in : context.in) {
      const int64_t length = in.dims[axis_];
      if (in.dims.is_map()) {  // planes may lie apart: axis 1 plane by plane, axes 2 and 3 within them
        const int64_t per_plane = axis_ <= 1 ? 1 : in.dims.count(2, axis_), run = axis_ <= 1 ? inner_run(in) : length * inner;
        const int64_t apart = axis_ <= 1 ? run : out.dims[axis_] * inner;
        const int64_t skip_planes = axis_ == 1 ? first : axis_ == 0 ? first * in.dims[1] : 0, skip = axis_ <= 1 ? 0 : first * inner;
        context.pool.run(in.dims[1] * per_plane, [&](int, int64_t begin, int64_t end) {
          for (int64_t at = begin; at < end; ++at) {
            const int64_t plane = at / per_plane, row = at % per_plane;
            std::memcpy(out.data + (plane + skip_planes) * out.stride(1) + row * apart + skip, in.run(plane) + row * run, static_cast<size_t>(run) * sizeof(float));
          }
        });
      } else {
        context.pool.run(in.dims.count(0, axis_), [&](int, int64_t begin, int64_t end) {
          for (int64_t at = begin; at < end; ++at) {
            std::memcpy(out.data + (at * out.dims[axis_] + first) * inner, in.data + at * length * inner, static_cast<size_t>(length * inner) * sizeof(float));
          }
        });
      }
      first += length;
    }
  }

 private:
  static int64_t inner_run(const Tensor& in) { return in.dims[2] * in.dims[3]; }
  int axis_;
};

}  // namespace

std::unique_ptr<Op> make_concat(const OpSpec& spec, const KernelTable&) { return std::make_unique<ConcatOp>(spec); }

}  // namespace intaglio
