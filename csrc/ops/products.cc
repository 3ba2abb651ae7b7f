// Products of matrices: linear and matmul, float and of codes. Those of codes are blocks of rows of bytes against packed columns by the kernel row_products,
// with the integers R of equations (4) and (5) in full and the reference's roundings behind them. Threads take blocks of rows.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "engine/limits.h"
#include "ops/aligned.h"
#include "ops/code_rows.h"
#include "ops/factories.h"
#include "ops/pack_linear.h"

namespace intaglio {
namespace {

constexpr size_t cache_line = 64;
size_t lines(int64_t bytes) { return (static_cast<size_t>(bytes) + cache_line - 1) / cache_line * cache_line; }

constexpr int64_t block_rows = 48;  // rows whose codes and products stay in the first-level cache; a multiple of every tile of rows
constexpr int64_t slack = 64;       // bytes of one vector behind the last row

int64_t up_to(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// A mask of the real bytes of a row, for the sums of its codes.
AlignedVector<uint8_t> ones_of(int64_t k) {
  AlignedVector<uint8_t> ones(static_cast<size_t>(up_to(k, 4) + slack), 0);
  std::fill_n(ones.begin(), k, uint8_t{1});
  return ones;
}

class CodeLinearOp final : public Op {
 public:
  CodeLinearOp(const OpSpec& spec, const KernelTable& kernels) : kernels_(kernels) {
    const Grid input = spec.grid("input");
    const auto& shape = spec.shape_of("weight");
    n_ = shape[0], k_ = shape[1], width_ = up_to(k_, 4), stride_ = up_to(n_, kernels.lanes);
    const auto& codes = spec.code_tensor("weight.codes", "weight", shape);
    const auto grids = spec.channel_grids("weight", n_);
    if (k_ * input.top() * grids.front().top() >= limits::int32_terms) spec.refuse("more products in a sum than 32 bits hold");
    shift_ = 1 << (grids.front().bits - 1);
    wide_ = needs_wide(input.top(), shift_), pair_groups_ = pair_words(input.top(), shift_);
    grid_ = code_grid(input), ones_ = ones_of(k_);
    words_.assign(static_cast<size_t>(width_ / 4 * stride_), 0);
    auto* bytes = reinterpret_cast<int8_t*>(words_.data());
    for (int64_t n = 0; n < n_; ++n) {
      for (int64_t k = 0; k < k_; ++k) bytes[(k / 4 * stride_ + n) * 4 + k % 4] = static_cast<int8_t>(codes[static_cast<size_t>(n * k_ + k)] - shift_);
    }
    constants_ = LinearConstants::of(codes, k_, input, grids, spec.tensor_or_zeros("bias", n_));
    for (auto* values : {&constants_.of_product, &constants_.of_sum, &constants_.constant}) values->resize(static_cast<size_t>(stride_), 0.0f);
  }

  Dims shape(const Operands& operands) const override {
    Dims out = operands.in.at(0);
    if (out.rank < 1 || out.last() != k_) refuse_shapes("linear", "as many entries along the last axis as it has inputs");
    out[out.rank - 1] = n_;
    return out;
  }
  Workspace workspace(const Operands&) const override { return {code_bytes() + lines(block_rows * 4), 0}; }

  void run(const Context& context) const override {
    const int64_t rows = context.out.dims.count() / n_;
    context.pool.run((rows + block_rows - 1) / block_rows, [&](int thread, int64_t begin, int64_t end) {
      auto* codes = reinterpret_cast<uint8_t*>(context.scratch(thread));
      auto* sums = reinterpret_cast<int32_t*>(context.scratch(thread) + code_bytes());
      for (int64_t first = begin * block_rows; first < std::min(end * block_rows, rows); first += block_rows) {
        const int64_t count = std::min(block_rows, rows - first);
        kernels_.code_rows({context.in[0].data + first * k_, k_, codes, sums, ones_.data(), count, static_cast<int>(k_), static_cast<int>(width_), grid_});
        kernels_.row_products({codes, words_.data(), sums, count, stride_, static_cast<int>(width_ / 4), static_cast<int>(n_), wide_, pair_groups_, shift_ - constants_.zero,
                               constants_.of_product.data(), constants_.of_sum.data(), constants_.constant.data(), -0.0f,
                               context.out.data + first * n_, nullptr});
      }
    });
  }

 private:
  size_t code_bytes() const { return lines(block_rows * width_ + slack); }

  const KernelTable& kernels_;
  int64_t n_, k_, width_, stride_;
  CodeGrid grid_;
  AlignedVector<uint8_t> ones_;
  int32_t shift_;
  bool wide_;
  int pair_groups_;
  AlignedVector<int32_t> words_;
  LinearConstants constants_;
};

// to[n] += a * b[n] over rows of b: columns lie together, so that compilers make vectors of it.
void multiply_rows(const float* a, int64_t k, const float* b, int64_t b_row, int64_t n, float* to) {
  for (int64_t i = 0; i < k; ++i) {
    const float factor = a[i];
    const float* row = b + i * b_row;
    for (int64_t j = 0; j < n; ++j) to[j] += factor * row[j];
  }
}

class FloatLinearOp final : public Op {
 public:
  explicit FloatLinearOp(const OpSpec& spec) {
    const auto& shape = spec.shape_of("weight");
    n_ = shape[0], k_ = shape[1];
    const auto& weight = spec.tensor("weight", shape);
    turned_.resize(weight.size());
    for (int64_t n = 0; n < n_; ++n) {
      for (int64_t k = 0; k < k_; ++k) turned_[static_cast<size_t>(k * n_ + n)] = weight[static_cast<size_t>(n * k_ + k)];
    }
    bias_ = spec.tensor_or_zeros("bias", n_);
  }
  Dims shape(const Operands& operands) const override {
    Dims out = operands.in.at(0);
    if (out.rank < 1 || out.last() != k_) refuse_shapes("linear", "as many entries along the last axis as it has inputs");
    out[out.rank - 1] = n_;
    return out;
  }
  void run(const Context& context) const override {
    context.pool.run(context.out.dims.count() / n_, [&](int, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        float* to = context.out.data + row * n_;
        std::fill_n(to, n_, 0.0f);
        multiply_rows(context.in[0].data + row * k_, k_, turned_.data(), n_, n_, to);
        for (int64_t n = 0; n < n_; ++n) to[n] += bias_[static_cast<size_t>(n)];
      }
    });
  }

 private:
  int64_t n_, k_;
  std::vector<float> turned_, bias_;
};

// (..., m, k) and (..., k, n) with leading axes that broadcast.
struct Matrices {
  int64_t batch, m, k, n;
  Dims out;

  Matrices(const Dims& a, const Dims& b) {
    const bool fits = a.rank >= 2 && b.rank >= 2 && a.last() == b[b.rank - 2];
    if (!fits) refuse_shapes("matmul", "matrices (..., m, k) and (..., k, n)");
    m = a[a.rank - 2], k = a.last(), n = b.last();
    out.rank = std::max(a.rank, b.rank);
    for (int i = 3; i <= out.rank; ++i) {
      const int64_t left = i <= a.rank ? a[a.rank - i] : 1, right = i <= b.rank ? b[b.rank - i] : 1;
      if (left != right && left != 1 && right != 1) refuse_shapes("matmul", "leading axes that broadcast");
      out[out.rank - i] = std::max(left, right);
    }
    batch = out.count(0, out.rank - 2);
    out[out.rank - 2] = m, out[out.rank - 1] = n;
  }
  // Which matrix of an operand the index of the output means.
  int64_t index(const Dims& in, int64_t at) const {
    int64_t place = 0, step = 1;
    for (int i = 3; i <= out.rank; ++i) {
      const int64_t length = out[out.rank - i];
      if (i <= in.rank && in[in.rank - i] > 1) place += at % length * step;
      if (i <= in.rank) step *= in[in.rank - i];
      at /= length;
    }
    return place;
  }
};

class FloatMatmulOp final : public Op {
 public:
  Dims shape(const Operands& operands) const override { return Matrices(operands.in.at(0), operands.in.at(1)).out; }
  void run(const Context& context) const override {
    const Tensor &a = context.in[0], &b = context.in[1];
    const Matrices form(a.dims, b.dims);
    context.pool.run(form.batch * form.m, [&](int, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t at = row / form.m;
        float* to = context.out.data + row * form.n;
        std::fill_n(to, form.n, 0.0f);
        multiply_rows(a.data + (form.index(a.dims, at) * form.m + row % form.m) * form.k, form.k, b.data + form.index(b.dims, at) * form.k * form.n, form.n, form.n, to);
      }
    });
  }
};

// Both operands are quantized. Long sums are taken in pieces of k, each of which fits 32 bits, and added up in 64.
class CodeMatmulOp final : public Op {
 public:
  CodeMatmulOp(const OpSpec& spec, const KernelTable& kernels)
      : kernels_(kernels), a_(spec.grid("a")), b_(spec.grid("b")), shift_(b_.top() > 127 ? 128 : 0), ones_(ones_of(most)) {
    const int signed_top = shift_ ? shift_ : b_.top();
    wide_ = needs_wide(a_.top(), signed_top), pair_groups_ = pair_words(a_.top(), signed_top);
    zero_ = zero_code({b_});
    const double step_a = a_.step, lower_a = a_.lower, step_b = b_.step;
    lower_b_ = static_cast<double>(b_.lower) + zero_ * step_b;
    of_product_ = static_cast<float>(step_a * step_b), of_a_ = static_cast<float>(step_a * lower_b_), of_b_ = static_cast<float>(step_b * lower_a);
  }

  Dims shape(const Operands& operands) const override {
    const Matrices form(operands.in.at(0), operands.in.at(1));
    if (form.k >= limits::exact_terms / (a_.top() * b_.top())) throw Error("a product of this network sums more terms than 53 bits hold; use a smaller picture");
    return form.out;
  }
  Workspace workspace(const Operands& operands) const override { return {Scratch(Matrices(operands.in[0], operands.in[1]), kernels_.lanes).bytes, 0}; }

  void run(const Context& context) const override {
    const Tensor &a = context.in[0], &b = context.in[1];
    const Matrices form(a.dims, b.dims);
    const Scratch parts(form, kernels_.lanes);
    const int64_t blocks = (form.m + block_rows - 1) / block_rows;
    const auto constant = static_cast<float>(static_cast<double>(form.k) * a_.lower * lower_b_);
    context.pool.run(form.batch * blocks, [&](int thread, int64_t begin, int64_t end) {
      std::byte* scratch = context.scratch(thread);
      int64_t packed = -1;
      for (int64_t at = begin; at < end; ++at) {
        const int64_t matrix = form.index(b.dims, at / blocks), first = at % blocks * block_rows, count = std::min(block_rows, form.m - first);
        if (matrix != packed) pack_columns(form, parts, b.data + matrix * form.k * form.n, scratch);
        packed = matrix;
        const float* rows = a.data + (form.index(a.dims, at / blocks) * form.m + first) * form.k;
        multiply(form, parts, rows, count, constant, context.out.data + (at / blocks * form.m + first) * form.n, scratch);
      }
    });
  }

 private:
  static constexpr int64_t most = 16384;  // terms of a piece: 255 * 255 * 16384 < 2^31, and a multiple of 4

  // One region after another in a thread's scratch.
  struct Scratch {
    int64_t stride;  // of columns
    size_t words = 0, column_sums, of_product, of_a, of_column, piece_sums, rows, row_sums, whole_row_sums, products, totals, bytes;
    Scratch(const Matrices& form, int64_t lanes) : stride(up_to(form.n, lanes)) {
      const int64_t width = up_to(form.k, 4);
      column_sums = words + lines(stride * width);
      of_product = column_sums + lines(stride * 8);
      of_a = of_product + lines(stride * 4);
      of_column = of_a + lines(stride * 4);
      piece_sums = of_column + lines(stride * 4);
      rows = piece_sums + lines(stride * 4);
      row_sums = rows + lines(std::min(width, most) * block_rows + slack);
      whole_row_sums = row_sums + lines(block_rows * 4);
      products = whole_row_sums + lines(block_rows * 8);
      totals = products + (form.k > most ? lines(stride * block_rows * 4) : 0);
      bytes = totals + (form.k > most ? lines(stride * block_rows * 8) : 0);
    }
  };
  template <class T>
  static T* at(std::byte* scratch, size_t offset) {
    return reinterpret_cast<T*>(scratch + offset);
  }

  // Piece by piece of k: signed codes as words, the sum of each column's codes, and what the epilogue multiplies and adds in each column.
  void pack_columns(const Matrices& form, const Scratch& parts, const float* b, std::byte* scratch) const {
    auto *words = at<int32_t>(scratch, parts.words), *piece_sums = at<int32_t>(scratch, parts.piece_sums);
    auto* sums = at<int64_t>(scratch, parts.column_sums);
    std::fill_n(sums, parts.stride, int64_t{0});
    for (int64_t start = 0; start < form.k; start += most) {
      const int64_t k = std::min(most, form.k - start);
      kernels_.code_columns({b + start * form.n, form.n, words, piece_sums, parts.stride, static_cast<int>(k), static_cast<int>(form.n), shift_ != 0, code_grid(b_)});
      for (int64_t n = 0; n < form.n; ++n) sums[n] += piece_sums[n];
      words += up_to(k, 4) / 4 * parts.stride;
    }
    std::fill_n(at<float>(scratch, parts.of_product), parts.stride, of_product_);
    std::fill_n(at<float>(scratch, parts.of_a), parts.stride, of_a_);
    for (int64_t n = 0; n < parts.stride; ++n) at<float>(scratch, parts.of_column)[n] = of_b_ * static_cast<float>(sums[n] - zero_ * form.k);
  }

  RowProductsArgs product(const Scratch& parts, int64_t k, int64_t n, int64_t count, const int32_t* words, std::byte* scratch) const {
    return {at<uint8_t>(scratch, parts.rows), words, at<int32_t>(scratch, parts.row_sums), count, parts.stride, static_cast<int>(up_to(k, 4) / 4), static_cast<int>(n), wide_,
            pair_groups_, shift_ - zero_, at<float>(scratch, parts.of_product), at<float>(scratch, parts.of_a), at<float>(scratch, parts.of_column), 0.0f, nullptr, nullptr};
  }

  void code_piece(const Matrices& form, const Scratch& parts, const float* rows, int64_t count, int64_t k, std::byte* scratch) const {
    const int64_t width = up_to(k, 4);
    const uint8_t* ones = ones_.data() + (most - k);  // k of them, then zeros
    kernels_.code_rows({rows, form.k, at<uint8_t>(scratch, parts.rows), at<int32_t>(scratch, parts.row_sums), ones, count, static_cast<int>(k), static_cast<int>(width), code_grid(a_)});
  }

  void multiply(const Matrices& form, const Scratch& parts, const float* rows, int64_t count, float constant, float* to, std::byte* scratch) const {
    if (form.k > most) return multiply_long(form, parts, rows, count, constant, to, scratch);
    code_piece(form, parts, rows, count, form.k, scratch);
    RowProductsArgs args = product(parts, form.k, form.n, count, at<int32_t>(scratch, parts.words), scratch);
    args.constant = constant, args.to = to;
    kernels_.row_products(args);
  }

  void multiply_long(const Matrices& form, const Scratch& parts, const float* rows, int64_t count, float constant, float* to, std::byte* scratch) const {
    const auto *words = at<int32_t>(scratch, parts.words), *products = at<int32_t>(scratch, parts.products), *piece_sums = at<int32_t>(scratch, parts.row_sums);
    auto *row_sums = at<int64_t>(scratch, parts.whole_row_sums), *totals = at<int64_t>(scratch, parts.totals);
    std::fill_n(row_sums, count, int64_t{0});
    std::fill_n(totals, count * parts.stride, int64_t{0});
    for (int64_t start = 0; start < form.k; start += most) {
      const int64_t k = std::min(most, form.k - start);
      code_piece(form, parts, rows + start, count, k, scratch);
      RowProductsArgs args = product(parts, k, form.n, count, words, scratch);
      args.integers = at<int32_t>(scratch, parts.products);
      kernels_.row_products(args);
      for (int64_t r = 0; r < count; ++r) row_sums[r] += piece_sums[r];
      for (int64_t i = 0; i < count * parts.stride; ++i) totals[i] += products[i];
      words += up_to(k, 4) / 4 * parts.stride;
    }
    const float* of_column = at<float>(scratch, parts.of_column);
    for (int64_t r = 0; r < count; ++r) {
      const float of_a = of_a_ * static_cast<float>(row_sums[r]);
      for (int64_t n = 0; n < form.n; ++n) {
        to[r * form.n + n] = of_product_ * static_cast<float>(totals[r * parts.stride + n] + (shift_ - zero_) * row_sums[r]) + of_a + of_column[n] + constant;
      }
    }
  }

  const KernelTable& kernels_;
  Grid a_, b_;
  int32_t shift_, zero_;
  bool wide_;
  int pair_groups_;
  AlignedVector<uint8_t> ones_;
  double lower_b_;  // of b, whose codes are taken less `zero_`
  float of_product_, of_a_, of_b_;
};

}  // namespace

std::unique_ptr<Op> make_linear(const OpSpec& spec, const KernelTable& kernels) {
  if (spec.has_codes("weight.codes")) return std::make_unique<CodeLinearOp>(spec, kernels);
  return std::make_unique<FloatLinearOp>(spec);
}

std::unique_ptr<Op> make_matmul(const OpSpec& spec, const KernelTable& kernels) {
  if (!spec.sites.empty()) return std::make_unique<CodeMatmulOp>(spec, kernels);
  return std::make_unique<FloatMatmulOp>();
}

}  // namespace intaglio
