// Operations on numbers place by place: sums and products with broadcasting, scaled sums, functions of one number, norms of channels. All may write in place.
#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "ops/activation_spec.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

constexpr int64_t piece = 4096;  // floats that a thread takes at a time where a value is one run

// Calls run(index of the run, first float in it, floats): threads take the same rows of all planes of a map, or pieces of a single run.
template <class Run>
void for_each_run(const Context& context, const Run& run) {
  const Tensor& out = context.out;
  if (out.dims.is_map()) {
    const Rows rows = context.wanted(out.dims[2]);
    context.pool.run(rows.count(), [&](int, int64_t begin, int64_t end) {
      for (int64_t c = 0; c < out.runs(); ++c) run(c, (rows.first + begin) * out.dims[3], (end - begin) * out.dims[3]);
    });
    return;
  }
  const int64_t length = out.run_length();
  context.pool.run((length + piece - 1) / piece, [&](int, int64_t begin, int64_t end) {
    run(0, begin * piece, std::min(end * piece, length) - begin * piece);
  });
}

class Elementwise : public Op {
 public:
  bool planes(int) const override { return true; }
  Layout layout() const override { return Layout::as_input; }
  bool in_place(int) const override { return true; }
  bool by_rows(const Operands&) const override { return true; }
  Rows reads(int, Rows rows, int64_t in, int64_t out) const override { return in == out ? rows : Rows{0, in}; }
};

// to = a + scale * b of values of one shape.
class ScaledAddOp final : public Elementwise {
 public:
  ScaledAddOp(const OpSpec& spec, const KernelTable& kernels) : kernel_(kernels.add), scale_(spec.number("scale")) {}

  Dims shape(const Operands& operands) const override {
    if (!(operands.in.at(0) == operands.in.at(1))) refuse_shapes("scaled_add", "values of one shape");
    return operands.in[0];
  }
  void run(const Context& context) const override {
    for_each_run(context, [&](int64_t c, int64_t at, int64_t n) {
      kernel_({context.in[0].run(c) + at, context.in[1].run(c) + at, context.out.run(c) + at, n, scale_});
    });
  }

 private:
  void (*kernel_)(const AddArgs&);
  float scale_;
};

Dims broadcast(const char* kind, const Dims& a, const Dims& b) {
  Dims out;
  out.rank = std::max(a.rank, b.rank);
  for (int i = 1; i <= out.rank; ++i) {
    const int64_t left = i <= a.rank ? a[a.rank - i] : 1, right = i <= b.rank ? b[b.rank - i] : 1;
    if (left != right && left != 1 && right != 1) refuse_shapes(kind, "shapes that broadcast");
    out[out.rank - i] = std::max(left, right);
  }
  return out;
}

// A loop over places of two operands, neighbouring axes joined where both go on alike. Strides in floats, 0 where an operand is stretched.
struct Loop {
  int rank = 0;
  int64_t n[max_rank], to[max_rank], a[max_rank], b[max_rank];

  Loop(const Tensor& out, const Tensor& left, const Tensor& right) {
    const auto stride = [&](const Tensor& in, int axis) {
      const int own = axis - (out.dims.rank - in.dims.rank);
      return own < 0 || in.dims[own] == 1 ? int64_t{0} : in.stride(own);
    };
    for (int axis = 0; axis < out.dims.rank; ++axis) {
      if (out.dims[axis] == 1) continue;
      const int64_t length = out.dims[axis], steps[] = {out.stride(axis), stride(left, axis), stride(right, axis)};
      const int last = rank - 1;
      if (rank && to[last] == length * steps[0] && a[last] == length * steps[1] && b[last] == length * steps[2]) {
        n[last] *= length, to[last] = steps[0], a[last] = steps[1], b[last] = steps[2];
      } else {
        n[rank] = length, to[rank] = steps[0], a[rank] = steps[1], b[rank] = steps[2], ++rank;
      }
    }
    if (!rank) n[0] = 1, to[0] = a[0] = b[0] = 1, rank = 1;
    if (rank == 1 && n[0] > piece && to[0] == 1) {  // so that threads have something to share
      const int64_t whole = n[0] / piece;
      if (whole * piece == n[0]) n[1] = piece, to[1] = 1, a[1] = a[0], b[1] = b[0], n[0] = whole, to[0] = piece, a[0] *= piece, b[0] *= piece, rank = 2;
    }
  }
  int64_t rows() const {
    int64_t count = 1;
    for (int axis = 0; axis + 1 < rank; ++axis) count *= n[axis];
    return count;
  }
};

template <class Function>
void apply_row(float* to, const float* a, const float* b, int64_t n, int64_t step_a, int64_t step_b, Function function) {
  if (step_a == 1 && step_b == 1) {
    for (int64_t i = 0; i < n; ++i) to[i] = function(a[i], b[i]);
  } else if (step_a == 1 && step_b == 0) {
    const float right = *b;
    for (int64_t i = 0; i < n; ++i) to[i] = function(a[i], right);
  } else if (step_a == 0 && step_b == 1) {
    const float left = *a;
    for (int64_t i = 0; i < n; ++i) to[i] = function(left, b[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = function(a[i * step_a], b[i * step_b]);
  }
}

template <class Function>
void apply_loop(const Context& context, Function function) {
  const Tensor &left = context.in[0], &right = context.in[1];
  const Loop loop(context.out, left, right);
  const int inner = loop.rank - 1;
  context.pool.run(loop.rows(), [&](int, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t rest = row, to = 0, a = 0, b = 0;
      for (int axis = inner - 1; axis >= 0; --axis) {
        const int64_t place = rest % loop.n[axis];
        rest /= loop.n[axis], to += place * loop.to[axis], a += place * loop.a[axis], b += place * loop.b[axis];
      }
      apply_row(context.out.data + to, left.data + a, right.data + b, loop.n[inner], loop.a[inner], loop.b[inner], function);
    }
  });
}

// NaN in either operand gives NaN, as in the reference.
inline float larger(float a, float b) { return a > b || a != a ? a : b; }
inline float smaller(float a, float b) { return a < b || a != a ? a : b; }

enum class Binary { add, sub, mul, div, maximum, minimum };

template <Binary Kind>
class BinaryOp final : public Elementwise {
 public:
  BinaryOp(const char* kind, const KernelTable& kernels) : kind_(kind), add_(kernels.add), multiply_(kernels.multiply) {}

  Dims shape(const Operands& operands) const override { return broadcast(kind_, operands.in.at(0), operands.in.at(1)); }
  bool by_rows(const Operands& operands) const override {
    const Dims &a = operands.in[0], &b = operands.in[1];
    return (Kind == Binary::add && a == b) || (Kind == Binary::mul && (a == b || b == Dims{1, a[1], 1, 1}));
  }
  void run(const Context& context) const override {
    const Tensor &a = context.in[0], &b = context.in[1], &out = context.out;
    const bool same = a.dims == b.dims;
    if (Kind == Binary::add && same) {
      for_each_run(context, [&](int64_t c, int64_t at, int64_t n) { add_({a.run(c) + at, b.run(c) + at, out.run(c) + at, n, 1.0f}); });
    } else if (Kind == Binary::mul && (same || (a.dims == out.dims && out.dims.is_map() && b.dims == Dims{1, out.dims[1], 1, 1}))) {
      for_each_run(context, [&](int64_t c, int64_t at, int64_t n) {
        multiply_({a.run(c) + at, same ? b.run(c) + at : nullptr, out.run(c) + at, n, same ? 0.0f : *b.run(c)});
      });
    } else {
      apply_loop(context, [](float x, float y) {
        switch (Kind) {
          case Binary::add: return x + y;
          case Binary::sub: return x - y;
          case Binary::mul: return x * y;
          case Binary::div: return x / y;
          case Binary::maximum: return larger(x, y);
          case Binary::minimum: return smaller(x, y);
        }
        return x;
      });
    }
  }

 private:
  const char* kind_;
  void (*add_)(const AddArgs&);
  void (*multiply_)(const MultiplyArgs&);
};

class AffineOp final : public Elementwise {
 public:
  explicit AffineOp(const OpSpec& spec) : scale_(spec.number("scale")), offset_(spec.number("offset")) {}
  Dims shape(const Operands& operands) const override { return operands.in.at(0); }
  void run(const Context& context) const override {
    for_each_run(context, [&](int64_t c, int64_t at, int64_t n) {
      const float* from = context.in[0].run(c) + at;
      float* to = context.out.run(c) + at;
      for (int64_t i = 0; i < n; ++i) to[i] = from[i] * scale_ + offset_;
    });
  }

 private:
  float scale_, offset_;
};

// The functions that kernels have, on every instruction set. prelu has slopes along axis 1.
class ActivationOp final : public Elementwise {
 public:
  ActivationOp(const OpSpec& spec, const KernelTable& kernels) : kernel_(kernels.activate), activation_(ActivationSpec::read(spec, "weight")) {}

  Dims shape(const Operands& operands) const override {
    const Dims& in = operands.in.at(0);
    const bool fits = activation_.slopes.size() == 1 || (in.rank >= 2 && activation_.fits(in[1]));
    if (!fits) refuse_shapes("activation", "a channel for each slope along axis 1");
    return in;
  }
  void run(const Context& context) const override {
    const Tensor &in = context.in[0], &out = context.out;
    if (activation_.slopes.size() == 1 || out.dims.is_map()) {
      for_each_run(context, [&](int64_t c, int64_t at, int64_t n) { kernel_({in.run(c) + at, out.run(c) + at, n, activation_.act, activation_.slope(c)}); });
      return;
    }
    const int64_t length = out.dims.count(2, out.dims.rank);
    context.pool.run(out.dims[0] * out.dims[1], [&](int, int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        kernel_({in.data + at * length, out.data + at * length, length, activation_.act, activation_.slope(at % out.dims[1])});
      }
    });
  }

 private:
  void (*kernel_)(const ActivateArgs&);
  ActivationSpec activation_;
};

inline float softplus(float x) { return (x > 0.0f ? x : 0.0f) + std::log1p(std::exp(-std::fabs(x))); }
inline float hard_sigmoid(float x) {
  const float y = x / 6.0f + 0.5f;
  return y < 0.0f ? 0.0f : y > 1.0f ? 1.0f : y;
}
inline float gelu_tanh(float x) {
  const double wide = x;
  return static_cast<float>(0.5 * wide * (1.0 + std::tanh(0.79788456080286535588 * (wide + 0.044715 * wide * wide * wide))));
}

// The other functions, in plain code.
class FunctionOp final : public Elementwise {
 public:
  explicit FunctionOp(const OpSpec& spec) : low_(spec.number("low")), high_(spec.number("high")) {
    const std::string& wanted = spec.text("function");
    if (wanted == "clamp") return;
    for (const auto& [name, function] : functions) {
      if (wanted == name) function_ = function;
    }
    if (!function_) spec.refuse("the activation is not one this engine knows");
  }
  Dims shape(const Operands& operands) const override { return operands.in.at(0); }
  void run(const Context& context) const override {
    for_each_run(context, [&](int64_t c, int64_t at, int64_t n) {
      const float* from = context.in[0].run(c) + at;
      float* to = context.out.run(c) + at;
      if (function_) return function_(from, to, n);
      for (int64_t i = 0; i < n; ++i) to[i] = smaller(larger(from[i], low_), high_);
    });
  }

 private:
  using Function = void (*)(const float*, float*, int64_t);
  template <float (*Of)(float)>
  static void map(const float* from, float* to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] = Of(from[i]);
  }
  struct Named {
    const char* name;
    Function function;
  };
  static const Named functions[14];

  float low_, high_;
  Function function_ = nullptr;  // null: clamp
};

float of_tanh(float x) { return std::tanh(x); }
float of_exp(float x) { return std::exp(x); }
float of_log(float x) { return std::log(x); }
float of_sqrt(float x) { return std::sqrt(x); }
float of_rsqrt(float x) { return 1.0f / std::sqrt(x); }
float of_abs(float x) { return std::fabs(x); }
float of_neg(float x) { return -x; }
float of_square(float x) { return x * x; }
float of_reciprocal(float x) { return 1.0f / x; }
float of_mish(float x) { return x * std::tanh(softplus(x)); }
float of_hard_swish(float x) { return x * hard_sigmoid(x); }

const FunctionOp::Named FunctionOp::functions[14] = {
    {"tanh", map<of_tanh>},   {"gelu_tanh", map<gelu_tanh>}, {"mish", map<of_mish>}, {"hard_swish", map<of_hard_swish>}, {"hard_sigmoid", map<hard_sigmoid>},
    {"softplus", map<softplus>}, {"exp", map<of_exp>},       {"log", map<of_log>},   {"sqrt", map<of_sqrt>},            {"rsqrt", map<of_rsqrt>},
    {"abs", map<of_abs>},     {"neg", map<of_neg>},          {"square", map<of_square>}, {"reciprocal", map<of_reciprocal>},
};

class ChannelNormOp final : public MapOp {
 public:
  ChannelNormOp(const OpSpec& spec, const KernelTable& kernels)
      : kernel_(kernels.layer_norm), dim_(spec.shape_of("weight")[0]), eps_(spec.number("eps")), weight_(spec.tensor("weight", {dim_})), bias_(spec.tensor("bias", {dim_})) {
    if (eps_ < 0.0f) spec.refuse("eps is negative");
  }

  Dims shape(const Operands& operands) const override {
    if (!operands.in.at(0).is_map() || operands.in[0][1] != dim_) refuse_shapes("channel_norm", "a map of as many channels as its weights");
    return operands.in[0];
  }
  bool in_place(int) const override { return true; }
  void run(const Context& context) const override {
    const Map in = context.in[0].map(), out = context.out.map();
    context.pool.run(out.shape.h, [&](int, int64_t begin, int64_t end) {
      kernel_({in.row(0, begin), in.plane, out.row(0, begin), out.plane, (end - begin) * out.shape.w, static_cast<int>(dim_), eps_, weight_.data(), bias_.data()});
    });
  }

 private:
  void (*kernel_)(const LayerNormArgs&);
  int64_t dim_;
  float eps_;
  std::vector<float> weight_, bias_;
};

}  // namespace

std::unique_ptr<Op> make_scaled_add(const OpSpec& spec, const KernelTable& kernels) { return std::make_unique<ScaledAddOp>(spec, kernels); }
std::unique_ptr<Op> make_add(const OpSpec&, const KernelTable& kernels) { return std::make_unique<BinaryOp<Binary::add>>("add", kernels); }
std::unique_ptr<Op> make_sub(const OpSpec&, const KernelTable& kernels) { return std::make_unique<BinaryOp<Binary::sub>>("sub", kernels); }
std::unique_ptr<Op> make_mul(const OpSpec&, const KernelTable& kernels) { return std::make_unique<BinaryOp<Binary::mul>>("mul", kernels); }
std::unique_ptr<Op> make_div(const OpSpec&, const KernelTable& kernels) { return std::make_unique<BinaryOp<Binary::div>>("div", kernels); }
std::unique_ptr<Op> make_maximum(const OpSpec&, const KernelTable& kernels) { return std::make_unique<BinaryOp<Binary::maximum>>("maximum", kernels); }
std::unique_ptr<Op> make_minimum(const OpSpec&, const KernelTable& kernels) { return std::make_unique<BinaryOp<Binary::minimum>>("minimum", kernels); }
std::unique_ptr<Op> make_affine(const OpSpec& spec, const KernelTable&) { return std::make_unique<AffineOp>(spec); }
std::unique_ptr<Op> make_channel_norm(const OpSpec& spec, const KernelTable& kernels) { return std::make_unique<ChannelNormOp>(spec, kernels); }
std::unique_ptr<Op> make_activation(const OpSpec& spec, const KernelTable& kernels) {
  if (ActivationSpec::knows(spec.text("function"))) return std::make_unique<ActivationOp>(spec, kernels);
  return std::make_unique<FunctionOp>(spec);
}

}  // namespace intaglio
