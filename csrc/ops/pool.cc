// Pooling: global_mean and max_pool.
#include <algorithm>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

class GlobalMeanOp final : public Op {
 public:
  Shape shape(const Operands& operands) const override { return {operands.in.at(0).c, 1, 1}; }
  void run(const Context& context) const override {
    const Map &in = context.in[0], &out = context.out;
    const int64_t pixels = in.shape.h * in.shape.w;
    context.pool.run(in.shape.c, [&](int, int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) *out.channel(c) = static_cast<float>(sum(in.channel(c), pixels) / static_cast<double>(pixels));
    });
  }

 private:
  // Eight partial sums in double precision, which do not wait for each other.
  static double sum(const float* values, int64_t count) {
    double part[8] = {};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) {
      for (int j = 0; j < 8; ++j) part[j] += values[i + j];
    }
    for (; i < count; ++i) part[0] += values[i];
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  }
};

// The largest value of each square window, without padding: first down the columns, into scratch, then along the row.
class MaxPoolOp final : public Op {
 public:
  explicit MaxPoolOp(const OpSpec& spec) : kernel_(spec.integer("kernel", 1, 64)), stride_(spec.integer("stride", 1, 64)) {}

  Shape shape(const Operands& operands) const override {
    const Shape& in = operands.in.at(0);
    if (std::min(in.h, in.w) < kernel_) throw Error("the picture is smaller than this network's pooling window; enlarge it");
    return {in.c, (in.h - kernel_) / stride_ + 1, (in.w - kernel_) / stride_ + 1};
  }
  Workspace workspace(const Operands& operands) const override { return {static_cast<size_t>(operands.in.at(0).w) * sizeof(float), 0}; }
  void run(const Context& context) const override {
    const Map &in = context.in[0], &out = context.out;
    context.pool.run(out.shape.c * out.shape.h, [&](int thread, int64_t begin, int64_t end) {
      float* column = reinterpret_cast<float*>(context.scratch(thread));
      for (int64_t at = begin; at < end; ++at) {
        const int64_t c = at / out.shape.h, y = at % out.shape.h;
        std::copy_n(in.row(c, y * stride_), in.shape.w, column);
        for (int64_t ky = 1; ky < kernel_; ++ky) {
          const float* row = in.row(c, y * stride_ + ky);
          for (int64_t x = 0; x < in.shape.w; ++x) column[x] = std::max(column[x], row[x]);
        }
        float* to = out.row(c, y);
        for (int64_t x = 0; x < out.shape.w; ++x) to[x] = *std::max_element(column + x * stride_, column + x * stride_ + kernel_);
      }
    });
  }

 private:
  int64_t kernel_, stride_;
};

}  // namespace

std::unique_ptr<Op> make_global_mean(const OpSpec&, const KernelTable&) { return std::make_unique<GlobalMeanOp>(); }
std::unique_ptr<Op> make_max_pool(const OpSpec& spec, const KernelTable&) { return std::make_unique<MaxPoolOp>(spec); }

}  // namespace intaglio
