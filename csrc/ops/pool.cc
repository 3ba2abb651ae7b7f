// Windows that slide over maps: pool2d and unfold.
#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

struct Window {
  int64_t kernel[2], stride[2], padding[2];

  explicit Window(const OpSpec& spec) {
    const auto kernels = spec.integers("kernel", 2), strides = spec.integers("stride", 2), pads = spec.integers("padding", 2);
    for (size_t axis = 0; axis < 2; ++axis) kernel[axis] = kernels[axis], stride[axis] = strides[axis], padding[axis] = pads[axis];
  }
  int64_t positions(const Dims& in, int axis) const {
    const int64_t space = in[axis + 2] + 2 * padding[axis] - kernel[axis];
    if (space < 0) throw Error("the picture is smaller than this network's windows; enlarge it");
    return space / stride[axis] + 1;
  }
  // The places [first, last) of a row of n under position `at`.
  std::pair<int64_t, int64_t> under(int axis, int64_t at, int64_t n) const {
    const int64_t first = at * stride[axis] - padding[axis];
    return {std::clamp<int64_t>(first, 0, n), std::clamp<int64_t>(first + kernel[axis], 0, n)};
  }
};

// First down the columns, into scratch, then along the row.
class PoolOp final : public MapOp {
 public:
  explicit PoolOp(const OpSpec& spec) : window_(spec), largest_(spec.text("function") == "max") {
    if (2 * window_.padding[0] > window_.kernel[0] || 2 * window_.padding[1] > window_.kernel[1]) spec.refuse("padding is more than half of the kernel");
  }
  Dims shape(const Operands& operands) const override {
    const Dims& in = operands.in.at(0);
    if (in.rank != 4) refuse_shapes("pool2d", "a map");
    return {in[0], in[1], window_.positions(in, 0), window_.positions(in, 1)};
  }
  bool by_rows(const Operands&) const override { return true; }
  Rows reads(int, Rows rows, int64_t, int64_t) const override {
    return {rows.first * window_.stride[0] - window_.padding[0], (rows.last - 1) * window_.stride[0] - window_.padding[0] + window_.kernel[0]};
  }
  Workspace workspace(const Operands& operands) const override { return {static_cast<size_t>(operands.in.at(0)[3]) * sizeof(double), 0}; }
  void run(const Context& context) const override {
    for (int64_t index = 0; index < context.out.maps(); ++index) {
      const Map in = context.in[0].map(index), out = context.out.map(index);
      const Rows rows = context.wanted(out.shape.h);
      context.pool.run(out.shape.c * rows.count(), [&](int thread, int64_t begin, int64_t end) {
        for (int64_t at = begin; at < end; ++at) {
          const int64_t c = at / rows.count(), y = rows.first + at % rows.count();
          if (largest_) {
            largest(in, c, y, reinterpret_cast<float*>(context.scratch(thread)), out.row(c, y), out.shape.w);
          } else {
            mean(in, c, y, reinterpret_cast<double*>(context.scratch(thread)), out.row(c, y), out.shape.w);
          }
        }
      });
    }
  }

 private:
  void largest(const Map& in, int64_t c, int64_t y, float* column, float* to, int64_t n) const {
    const auto [top, bottom] = window_.under(0, y, in.shape.h);
    if (top >= bottom) return std::fill_n(to, n, -INFINITY), void();
    std::copy_n(in.row(c, top), in.shape.w, column);
    for (int64_t ky = top + 1; ky < bottom; ++ky) {
      const float* row = in.row(c, ky);
      for (int64_t x = 0; x < in.shape.w; ++x) column[x] = std::max(column[x], row[x]);
    }
    for (int64_t x = 0; x < n; ++x) {
      const auto [left, right] = window_.under(1, x, in.shape.w);
      to[x] = left < right ? *std::max_element(column + left, column + right) : -INFINITY;
    }
  }
  void mean(const Map& in, int64_t c, int64_t y, double* column, float* to, int64_t n) const {
    const auto [top, bottom] = window_.under(0, y, in.shape.h);
    std::fill_n(column, in.shape.w, 0.0);
    for (int64_t ky = top; ky < bottom; ++ky) {
      const float* row = in.row(c, ky);
      for (int64_t x = 0; x < in.shape.w; ++x) column[x] += row[x];
    }
    for (int64_t x = 0; x < n; ++x) {
      const auto [left, right] = window_.under(1, x, in.shape.w);
      double sum = 0.0;
      for (int64_t kx = left; kx < right; ++kx) sum += column[kx];
      to[x] = static_cast<float>(sum / static_cast<double>(window_.kernel[0] * window_.kernel[1]));
    }
  }

  Window window_;
  bool largest_;
};

class UnfoldOp final : public MapOp {
 public:
  explicit UnfoldOp(const OpSpec& spec) : window_(spec) {}
  Layout layout() const override { return Layout::dense; }
  Dims shape(const Operands& operands) const override {
    const Dims& in = operands.in.at(0);
    if (in.rank != 4) refuse_shapes("unfold", "a map");
    return {in[0], in[1] * window_.kernel[0] * window_.kernel[1], window_.positions(in, 0) * window_.positions(in, 1)};
  }
  void run(const Context& context) const override {
    const Dims& in = context.in[0].dims;
    const int64_t down = window_.positions(in, 0), across = window_.positions(in, 1), taps = window_.kernel[0] * window_.kernel[1];
    context.pool.run(in[0] * in[1] * taps, [&](int, int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        const Map map = context.in[0].map(at / (in[1] * taps));
        const int64_t c = at / taps % in[1], u = at % taps / window_.kernel[1], v = at % window_.kernel[1];
        float* to = context.out.data + at * down * across;
        for (int64_t y = 0; y < down; ++y) {
          const int64_t from = y * window_.stride[0] + u - window_.padding[0];
          for (int64_t x = 0; x < across; ++x) {
            const int64_t place = x * window_.stride[1] + v - window_.padding[1];
            const bool inside = from >= 0 && from < in[2] && place >= 0 && place < in[3];
            *to++ = inside ? map.row(c, from)[place] : 0.0f;
          }
        }
      }
    });
  }

 private:
  Window window_;
};

}  // namespace

std::unique_ptr<Op> make_pool2d(const OpSpec& spec, const KernelTable&) { return std::make_unique<PoolOp>(spec); }
std::unique_ptr<Op> make_unfold(const OpSpec& spec, const KernelTable&) { return std::make_unique<UnfoldOp>(spec); }

}  // namespace intaglio
