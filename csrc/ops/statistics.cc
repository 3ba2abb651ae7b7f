// Operations along axes: softmax, layer_norm of the last axis, normalize, reduce. Threads take rows, or blocks of columns.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

// A value as (before, n, after) about one axis.
struct AboutAxis {
  int64_t before, n, after;
  AboutAxis(const Dims& dims, int axis) : before(dims.count(0, axis)), n(dims[axis]), after(dims.count(axis + 1, dims.rank)) {}
};

// e^x for x <= 0, without a branch so that compilers make vectors of it; relative error below 4e-7 + 1.2e-7 |x|, and 2^-126 for what is smaller.
inline float exp_of_negative(float x) {
  const float power = std::max(x * 1.44269504f, -126.0f);
  const float shifted = power + 12582912.0f, whole = shifted - 12582912.0f, r = power - whole;
  float p = 1.32764736e-3f;
  p = p * r + 9.67554189e-3f;
  p = p * r + 5.55071309e-2f;
  p = p * r + 2.40221202e-1f;
  p = p * r + 6.93146944e-1f;
  p = p * r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(whole) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

class AxisOp : public Op {
 public:
  explicit AxisOp(const OpSpec& spec) : axis_(static_cast<int>(spec.integer("axis", 0, max_rank - 1))) {}
  Dims shape(const Operands& operands) const override {
    if (axis_ >= operands.in.at(0).rank) refuse_shapes("an operation along an axis", "that axis");
    return operands.in[0];
  }
  bool in_place(int) const override { return true; }

 protected:
  int axis_;
};

class SoftmaxOp final : public AxisOp {
 public:
  SoftmaxOp(const OpSpec& spec, const KernelTable& kernels) : AxisOp(spec), kernel_(kernels.softmax_rows) {}
  void run(const Context& context) const override {
    const AboutAxis about(context.out.dims, axis_);
    const float* in = context.in[0].data;
    float* out = context.out.data;
    if (about.after == 1) {
      context.pool.run(about.before, [&](int, int64_t begin, int64_t end) { kernel_({in + begin * about.n, out + begin * about.n, end - begin, about.n}); });
      return;
    }
    const int64_t blocks = (about.after + block - 1) / block;
    context.pool.run(about.before * blocks, [&](int, int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        const int64_t first = at / blocks * about.n * about.after + at % blocks * block;
        across(in + first, out + first, about.n, about.after, std::min(block, about.after - at % blocks * block));
      }
    });
  }

 private:
  static constexpr int64_t block = 64;

  static void across(const float* in, float* out, int64_t n, int64_t step, int64_t count) {
    float largest[block], total[block] = {};
    std::copy_n(in, count, largest);
    for (int64_t row = 1; row < n; ++row) {
      for (int64_t i = 0; i < count; ++i) largest[i] = std::max(largest[i], in[row * step + i]);
    }
    for (int64_t row = 0; row < n; ++row) {
      for (int64_t i = 0; i < count; ++i) total[i] += out[row * step + i] = exp_of_negative(in[row * step + i] - largest[i]);
    }
    for (int64_t row = 0; row < n; ++row) {
      for (int64_t i = 0; i < count; ++i) out[row * step + i] /= total[i];
    }
  }

  void (*kernel_)(const SoftmaxRowsArgs&);
};

class LayerNormOp final : public Op {
 public:
  LayerNormOp(const OpSpec& spec, const KernelTable& kernels)
      : kernel_(kernels.layer_norm_rows), eps_(spec.number("eps")), weight_(spec.tensor("weight", spec.shape_of("weight"))), bias_(spec.tensor("bias", spec.shape_of("weight"))) {}
  bool in_place(int) const override { return true; }
  Dims shape(const Operands& operands) const override {
    const Dims& in = operands.in.at(0);
    if (in.rank < 1 || in.last() != static_cast<int64_t>(weight_.size())) refuse_shapes("layer_norm", "as many entries along the last axis as it has weights");
    return in;
  }
  void run(const Context& context) const override {
    const auto n = static_cast<int64_t>(weight_.size());
    context.pool.run(context.out.dims.count() / n, [&](int, int64_t begin, int64_t end) {
      kernel_({context.in[0].data + begin * n, context.out.data + begin * n, end - begin, n, eps_, weight_.data(), bias_.data()});
    });
  }

 private:
  void (*kernel_)(const LayerNormRowsArgs&);
  float eps_;
  std::vector<float> weight_, bias_;
};

class NormalizeOp final : public AxisOp {
 public:
  explicit NormalizeOp(const OpSpec& spec) : AxisOp(spec), eps_(spec.number("eps")) {}
  void run(const Context& context) const override {
    const AboutAxis about(context.out.dims, axis_);
    const int64_t blocks = (about.after + block - 1) / block;
    context.pool.run(about.before * blocks, [&](int, int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        const int64_t first = at / blocks * about.n * about.after + at % blocks * block, count = std::min(block, about.after - at % blocks * block);
        const float* in = context.in[0].data + first;
        float *out = context.out.data + first, length[block];
        double squares[block] = {};
        for (int64_t row = 0; row < about.n; ++row) {
          for (int64_t i = 0; i < count; ++i) squares[i] += static_cast<double>(in[row * about.after + i]) * in[row * about.after + i];
        }
        for (int64_t i = 0; i < count; ++i) length[i] = std::max(static_cast<float>(std::sqrt(squares[i])), eps_);
        for (int64_t row = 0; row < about.n; ++row) {
          for (int64_t i = 0; i < count; ++i) out[row * about.after + i] = in[row * about.after + i] / length[i];
        }
      }
    });
  }

 private:
  static constexpr int64_t block = 64;
  float eps_;
};

enum class Statistic { mean, sum, largest, smallest, variance };

// Axes that stay and axes that go, each counted through with the strides of the input. Everything is formed in double precision.
class ReduceOp final : public MapOp {
 public:
  explicit ReduceOp(const OpSpec& spec) : axes_(spec.integers("axes")), keep_(spec.integer("keep", 0, 1) == 1) {
    const std::string& name = spec.text("function");
    what_ = name == "mean" ? Statistic::mean : name == "sum" ? Statistic::sum : name == "max" ? Statistic::largest : name == "min" ? Statistic::smallest : Statistic::variance;
    for (size_t i = 1; i < axes_.size(); ++i) {
      if (axes_[i] <= axes_[i - 1]) spec.refuse("axes do not ascend");
    }
  }
  Dims shape(const Operands& operands) const override {
    const Dims& in = operands.in.at(0);
    if (axes_.back() >= in.rank) refuse_shapes("reduce", "the axes that it names");
    Dims out;
    for (int axis = 0; axis < in.rank; ++axis) {
      if (!goes(axis)) out.append(in[axis]);
      if (goes(axis) && keep_) out.append(1);
    }
    return out;
  }
  Layout layout() const override { return Layout::dense; }

  void run(const Context& context) const override {
    const Tensor& in = context.in[0];
    Walk stay, go;
    for (int axis = 0; axis < in.dims.rank; ++axis) (goes(axis) ? go : stay).append(in.dims[axis], in.stride(axis));
    context.pool.run(stay.count(), [&](int, int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) context.out.data[at] = static_cast<float>(statistic(in.data + stay.offset(at), go));
    });
  }

 private:
  struct Walk {
    int rank = 0;
    int64_t n[max_rank] = {}, stride[max_rank] = {};
    void append(int64_t length, int64_t step) {
      if (length == 1) return;
      if (rank && stride[rank - 1] == length * step) {
        n[rank - 1] *= length, stride[rank - 1] = step;
      } else {
        n[rank] = length, stride[rank++] = step;
      }
    }
    int64_t count() const {
      int64_t product = 1;
      for (int axis = 0; axis < rank; ++axis) product *= n[axis];
      return product;
    }
    int64_t offset(int64_t at) const {
      int64_t sum = 0;
      for (int axis = rank - 1; axis >= 0; at /= n[axis--]) sum += at % n[axis] * stride[axis];
      return sum;
    }
  };

  bool goes(int axis) const { return std::find(axes_.begin(), axes_.end(), static_cast<int64_t>(axis)) != axes_.end(); }

  // Calls row(values, n, step) for each innermost row.
  template <class Row>
  static void for_each_row(const float* in, const Walk& go, Row row) {
    if (!go.rank) return row(in, int64_t{1}, int64_t{1});
    const int last = go.rank - 1;
    Walk outer = go;
    outer.rank = last;
    for (int64_t at = 0, rows = outer.count(); at < rows; ++at) row(in + outer.offset(at), go.n[last], go.stride[last]);
  }
  // Eight partial sums, which do not wait for each other.
  template <class Term>
  static double sum(const float* in, const Walk& go, Term term) {
    double part[8] = {};
    for_each_row(in, go, [&](const float* values, int64_t n, int64_t step) {
      int64_t i = 0;
      for (; i + 8 <= n; i += 8) {
        for (int j = 0; j < 8; ++j) part[j] += term(static_cast<double>(values[(i + j) * step]));
      }
      for (; i < n; ++i) part[0] += term(static_cast<double>(values[i * step]));
    });
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  }
  double extreme(const float* in, const Walk& go) const {
    float found = *in;
    for_each_row(in, go, [&](const float* values, int64_t n, int64_t step) {
      for (int64_t i = 0; i < n; ++i) {
        const float x = values[i * step];
        const bool better = what_ == Statistic::largest ? x > found : x < found;
        found = better || x != x ? x : found;
      }
    });
    return found;
  }
  double statistic(const float* in, const Walk& go) const {
    if (what_ == Statistic::largest || what_ == Statistic::smallest) return extreme(in, go);
    const double total = sum(in, go, [](double x) { return x; });
    if (what_ == Statistic::sum) return total;
    const double mean = total / static_cast<double>(go.count());
    if (what_ == Statistic::mean) return mean;
    return sum(in, go, [mean](double x) { return (x - mean) * (x - mean); }) / static_cast<double>(go.count());
  }

  std::vector<int64_t> axes_;
  bool keep_;
  Statistic what_;
};

}  // namespace

std::unique_ptr<Op> make_softmax(const OpSpec& spec, const KernelTable& kernels) { return std::make_unique<SoftmaxOp>(spec, kernels); }
std::unique_ptr<Op> make_layer_norm(const OpSpec& spec, const KernelTable& kernels) { return std::make_unique<LayerNormOp>(spec, kernels); }
std::unique_ptr<Op> make_normalize(const OpSpec& spec, const KernelTable&) { return std::make_unique<NormalizeOp>(spec); }
std::unique_ptr<Op> make_reduce(const OpSpec& spec, const KernelTable&) { return std::make_unique<ReduceOp>(spec); }

}  // namespace intaglio
