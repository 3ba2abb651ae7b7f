// Products of matrices: linear and matmul, float and of codes. Those of codes are blocks of `lanes` rows against packed columns by the kernel dot_tile,
// with the integers R of equations (4) and (5) in full and the reference's roundings behind them. Threads take blocks of rows.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "engine/limits.h"
#include "ops/aligned.h"
#include "ops/code_rows.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

constexpr size_t cache_line = 64;
size_t lines(int64_t bytes) { return (static_cast<size_t>(bytes) + cache_line - 1) / cache_line * cache_line; }

// The signed operand is shifted where a code may exceed seven bits.
constexpr int shift_of(int top) { return top > 127 ? 128 : 0; }
constexpr bool is_wide(int top, int signed_top) { return 2 * top * (shift_of(signed_top) ? 128 : signed_top) > 32767; }

// What both products know: the kernel, and how rows are packed for it.
struct Tile {
  void (*kernel)(const DotTileArgs&);
  int64_t lanes;
  bool wide;

  // Codes of up to `lanes` rows of k as [groups][lanes][4], and the sum of each row; row r begins at rows + r * step. `line` holds k bytes.
  void pack(const RowGrid& grid, const float* rows, int64_t step, int64_t count, int64_t k, uint8_t* packed, int32_t* sums, uint8_t* line) const {
    const int64_t groups = (k + 3) / 4;
    if (count < lanes) std::memset(packed, 0, static_cast<size_t>(groups * lanes * 4));
    for (int64_t r = 0; r < count; ++r) {
      grid.codes(rows + r * step, line, k);
      std::memset(line + k, 0, static_cast<size_t>(groups * 4 - k));
      int32_t sum = 0;
      for (int64_t i = 0; i < k; ++i) sum += line[i];
      sums[r] = sum;
      for (int64_t group = 0; group < groups; ++group) std::memcpy(packed + (group * lanes + r) * 4, line + group * 4, 4);
    }
  }
};

class CodeLinearOp final : public Op {
 public:
  CodeLinearOp(const OpSpec& spec, const KernelTable& kernels) : grid_(spec.grid("input")) {
    const auto& shape = spec.shape_of("weight");
    n_ = shape[0], k_ = shape[1];
    const auto& codes = spec.code_tensor("weight.codes", "weight", shape);
    const auto grids = spec.channel_grids("weight", n_);
    const int top = grids.front().top();
    if (k_ * grid_.grid.top() * top >= limits::int32_terms) spec.refuse("more products in a sum than 32 bits hold");
    shift_ = shift_of(top);
    tile_ = {kernels.dot_tile, kernels.lanes, is_wide(grid_.grid.top(), top)};
    const int64_t width = (k_ + 3) / 4 * 4;
    weights_.assign(static_cast<size_t>(n_ * width), 0);
    for (int64_t n = 0; n < n_; ++n) {
      for (int64_t k = 0; k < k_; ++k) weights_[static_cast<size_t>(n * width + k)] = static_cast<int8_t>(codes[static_cast<size_t>(n * k_ + k)] - shift_);
    }
    constants_ = LinearConstants::of(codes, k_, grid_.grid, grids, spec.tensor_or_zeros("bias", n_));
  }

  Dims shape(const Operands& operands) const override {
    Dims out = operands.in.at(0);
    if (out.rank < 1 || out.last() != k_) refuse_shapes("linear", "as many entries along the last axis as it has inputs");
    out[out.rank - 1] = n_;
    return out;
  }
  Workspace workspace(const Operands&) const override { return {packed_bytes() + lines(n_ * tile_.lanes * 4) + lines(tile_.lanes * 4) + lines(k_ + 4), 0}; }

  void run(const Context& context) const override {
    const int64_t rows = context.out.dims.count() / n_;
    context.pool.run((rows + tile_.lanes - 1) / tile_.lanes, [&](int thread, int64_t begin, int64_t end) {
      std::byte* scratch = context.scratch(thread);
      auto* packed = reinterpret_cast<uint8_t*>(scratch);
      auto* products = reinterpret_cast<int32_t*>(scratch += packed_bytes());
      auto* sums = reinterpret_cast<int32_t*>(scratch += lines(n_ * tile_.lanes * 4));
      auto* line = reinterpret_cast<uint8_t*>(scratch += lines(tile_.lanes * 4));
      for (int64_t block = begin; block < end; ++block) {
        const int64_t first = block * tile_.lanes, count = std::min(tile_.lanes, rows - first);
        tile_.pack(grid_, context.in[0].data + first * k_, k_, count, k_, packed, sums, line);
        tile_.kernel({packed, weights_.data(), products, static_cast<int>((k_ + 3) / 4), static_cast<int>(n_), tile_.wide});
        for (int64_t r = 0; r < count; ++r) finish(products + r, sums[r], context.out.data + (first + r) * n_);
      }
    });
  }

 private:
  size_t packed_bytes() const { return lines((k_ + 3) / 4 * tile_.lanes * 4); }
  void finish(const int32_t* products, int32_t sum, float* to) const {
    const auto of_codes = static_cast<float>(sum);
    for (int64_t n = 0; n < n_; ++n) {
      const auto channel = static_cast<size_t>(n);
      const int32_t whole = products[n * tile_.lanes] + shift_ * sum;
      to[n] = constants_.of_product[channel] * static_cast<float>(whole) + constants_.of_sum[channel] * of_codes + constants_.constant[channel];
    }
  }

  int64_t n_, k_;
  RowGrid grid_;
  int32_t shift_;
  Tile tile_;
  AlignedVector<int8_t> weights_;
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
  CodeMatmulOp(const OpSpec& spec, const KernelTable& kernels) : a_(spec.grid("a")), b_(spec.grid("b")) {
    shift_ = shift_of(b_.grid.top());
    tile_ = {kernels.dot_tile, kernels.lanes, is_wide(a_.grid.top(), b_.grid.top())};
    const double step_a = a_.grid.step, lower_a = a_.grid.lower, step_b = b_.grid.step, lower_b = b_.grid.lower;
    of_product_ = static_cast<float>(step_a * step_b), of_a_ = static_cast<float>(step_a * lower_b), of_b_ = static_cast<float>(step_b * lower_a);
  }

  Dims shape(const Operands& operands) const override {
    const Matrices form(operands.in.at(0), operands.in.at(1));
    if (form.k >= limits::exact_terms / (a_.grid.top() * b_.grid.top())) throw Error("a product of this network sums more terms than 53 bits hold; use a smaller picture");
    return form.out;
  }
  Workspace workspace(const Operands& operands) const override { return {Scratch(Matrices(operands.in[0], operands.in[1]), tile_.lanes).bytes, 0}; }

  void run(const Context& context) const override {
    const Tensor &a = context.in[0], &b = context.in[1];
    const Matrices form(a.dims, b.dims);
    const Scratch parts(form, tile_.lanes);
    const int64_t blocks = (form.m + tile_.lanes - 1) / tile_.lanes;
    const auto constant = static_cast<float>(static_cast<double>(form.k) * a_.grid.lower * static_cast<double>(b_.grid.lower));
    context.pool.run(form.batch * blocks, [&](int thread, int64_t begin, int64_t end) {
      std::byte* scratch = context.scratch(thread);
      int64_t packed = -1;
      for (int64_t at = begin; at < end; ++at) {
        const int64_t matrix = form.index(b.dims, at / blocks), first = at % blocks * tile_.lanes, count = std::min(tile_.lanes, form.m - first);
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
    size_t columns = 0, column_sums, rows, row_sums, products, totals, line, bytes;
    Scratch(const Matrices& form, int64_t lanes) {
      const int64_t width = (form.k + 3) / 4 * 4;
      column_sums = columns + lines(form.n * width);
      rows = column_sums + lines(form.n * 8);
      row_sums = rows + lines(std::min(width, most) * lanes);
      products = row_sums + lines(lanes * 8);
      totals = products + lines(form.n * lanes * 4);
      line = totals + lines(form.n * lanes * 8) + lines(lanes * 4);
      bytes = line + lines(std::min(width, most) + 4) + lines(form.n);
    }
  };
  template <class T>
  static T* at(std::byte* scratch, size_t offset) {
    return reinterpret_cast<T*>(scratch + offset);
  }

  // Piece by piece of k: [n][groups][4] signed codes, zero beyond k; and the sum of each column's codes.
  void pack_columns(const Matrices& form, const Scratch& parts, const float* b, std::byte* scratch) const {
    auto *columns = at<int8_t>(scratch, parts.columns);
    auto* sums = at<int64_t>(scratch, parts.column_sums);
    auto* line = at<uint8_t>(scratch, parts.line + lines(std::min((form.k + 3) / 4 * 4, most) + 4));
    std::fill_n(sums, form.n, int64_t{0});
    for (int64_t start = 0; start < form.k; start += most) {
      const int64_t k = std::min(most, form.k - start), width = (k + 3) / 4 * 4;
      for (int64_t i = 0; i < width; ++i) {
        if (i < k) b_.codes(b + (start + i) * form.n, line, form.n);
        for (int64_t n = 0; n < form.n; ++n) {
          columns[n * width + i] = i < k ? static_cast<int8_t>(line[n] - shift_) : int8_t{0};
          sums[n] += i < k ? line[n] : 0;
        }
      }
      columns += form.n * width;
    }
  }

  void multiply(const Matrices& form, const Scratch& parts, const float* rows, int64_t count, float constant, float* to, std::byte* scratch) const {
    const auto* columns = at<int8_t>(scratch, parts.columns);
    const auto* column_sums = at<int64_t>(scratch, parts.column_sums);
    auto* packed = at<uint8_t>(scratch, parts.rows);
    auto *row_sums = at<int64_t>(scratch, parts.row_sums), *totals = at<int64_t>(scratch, parts.totals);
    auto *products = at<int32_t>(scratch, parts.products), *piece_sums = at<int32_t>(scratch, parts.totals + lines(form.n * tile_.lanes * 8));
    auto* line = at<uint8_t>(scratch, parts.line);
    std::fill_n(row_sums, tile_.lanes, int64_t{0});
    const bool long_sum = form.k > most;
    for (int64_t start = 0; start < form.k; start += most) {
      const int64_t k = std::min(most, form.k - start), width = (k + 3) / 4 * 4;
      tile_.pack(a_, rows + start, form.k, count, k, packed, piece_sums, line);
      tile_.kernel({packed, columns, products, static_cast<int>(width / 4), static_cast<int>(form.n), tile_.wide});
      for (int64_t r = 0; r < count; ++r) row_sums[r] += piece_sums[r];
      if (long_sum) {
        for (int64_t i = 0; i < form.n * tile_.lanes; ++i) totals[i] = (start ? totals[i] : 0) + products[i];
      }
      columns += form.n * width;
    }
    for (int64_t r = 0; r < count; ++r) {
      const float of_a = of_a_ * static_cast<float>(row_sums[r]);
      const int64_t shifted = shift_ * row_sums[r];
      for (int64_t n = 0; n < form.n; ++n) {
        const int64_t whole = (long_sum ? totals[n * tile_.lanes + r] : products[n * tile_.lanes + r]) + shifted;
        to[r * form.n + n] = of_product_ * static_cast<float>(whole) + of_a + of_b_ * static_cast<float>(column_sums[n]) + constant;
      }
    }
  }

  RowGrid a_, b_;
  int64_t shift_;
  Tile tile_;
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
