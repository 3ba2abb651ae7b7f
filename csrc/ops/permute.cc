// Axes in another order.
#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

// Axes in the order of the output, without those of length 1, neighbours joined where they lie together on both sides.
struct Permutation {
  int rank = 0;
  int64_t n[max_rank], from[max_rank], to[max_rank];

  Permutation(const Tensor& in, const Tensor& out, const std::vector<int64_t>& axes) {
    for (int axis = 0; axis < out.dims.rank; ++axis) {
      const int64_t length = out.dims[axis], source = in.stride(static_cast<int>(axes[static_cast<size_t>(axis)])), target = out.stride(axis);
      if (length == 1) continue;
      const int last = rank - 1;
      if (rank && from[last] == length * source && to[last] == length * target) {
        n[last] *= length, from[last] = source, to[last] = target;
      } else {
        n[rank] = length, from[rank] = source, to[rank] = target, ++rank;
      }
    }
    if (!rank) n[0] = 1, from[0] = to[0] = 1, rank = 1;
  }
};

class PermuteOp final : public MapOp {
 public:
  explicit PermuteOp(const OpSpec& spec) : axes_(spec.integers("axes")) {
    std::vector<int64_t> sorted = axes_;
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < sorted.size(); ++i) {
      if (sorted[i] != static_cast<int64_t>(i)) spec.refuse("axes do not name each axis once");
    }
  }
  Dims shape(const Operands& operands) const override {
    const Dims& in = operands.in.at(0);
    if (in.rank != static_cast<int>(axes_.size())) refuse_shapes("permute", "as many axes as it names");
    Dims out;
    for (int64_t axis : axes_) out.append(in[static_cast<int>(axis)]);
    return out;
  }

  // Blocks of two axes: the one along which the input lies together and the last one of the output; the others are counted through.
  void run(const Context& context) const override {
    const Tensor &in = context.in[0], &out = context.out;
    const Permutation move(in, out, axes_);
    const int last = move.rank - 1;
    int inner = last;
    for (int axis = 0; axis < move.rank; ++axis) {
      if (move.from[axis] == 1) inner = axis;
    }
    const int64_t tall = inner == last ? 1 : (move.n[inner] + block - 1) / block, wide = inner == last ? 1 : (move.n[last] + block - 1) / block;
    int64_t outer = 1;
    for (int axis = 0; axis < move.rank; ++axis) outer *= axis == inner || axis == last ? 1 : move.n[axis];
    if (inner == last && last > 0) return copy_runs(context, move);
    context.pool.run(outer * tall * wide, [&](int, int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        int64_t rest = at / (tall * wide), source = 0, target = 0;
        for (int axis = move.rank - 1; axis >= 0; --axis) {
          if (axis == inner || axis == last) continue;
          const int64_t place = rest % move.n[axis];
          rest /= move.n[axis], source += place * move.from[axis], target += place * move.to[axis];
        }
        if (inner == last) {
          copy(out.data + target, in.data + source, move.n[last], move.from[last]);
          continue;
        }
        const int64_t y = at / wide % tall * block, x = at % wide * block;
        transpose(out.data + target + y * move.to[inner] + x, move.to[inner], in.data + source + y + x * move.from[last], move.from[last],
                  std::min(block, move.n[inner] - y), std::min(block, move.n[last] - x));
      }
    });
  }

 private:
  static constexpr int64_t block = 32;

  // Runs that lie together on both sides: those of the last axis but one in a loop, the axes before it counted through.
  static void copy_runs(const Context& context, const Permutation& move) {
    const int last = move.rank - 1, next = last - 1;
    int64_t outer = 1;
    for (int axis = 0; axis < next; ++axis) outer *= move.n[axis];
    context.pool.run(outer, [&](int, int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        int64_t rest = at, source = 0, target = 0;
        for (int axis = next - 1; axis >= 0; --axis) {
          const int64_t place = rest % move.n[axis];
          rest /= move.n[axis], source += place * move.from[axis], target += place * move.to[axis];
        }
        const float* from = context.in[0].data + source;
        float* to = context.out.data + target;
        for (int64_t i = 0; i < move.n[next]; ++i, from += move.from[next], to += move.to[next]) copy_run(to, from, move.n[last], move.from[last]);
      }
    });
  }
  // Short runs in pieces of four and two, which a compiler knows the size of; longer ones as the library does it.
  static void copy_run(float* to, const float* from, int64_t n, int64_t step) {
    if (step != 1 || n > 64) return copy(to, from, n, step);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) std::memcpy(to + i, from + i, 16);
    if (i + 2 <= n) std::memcpy(to + i, from + i, 8), i += 2;
    if (i < n) to[i] = from[i];
  }
  static void copy(float* to, const float* from, int64_t n, int64_t step) {
    if (step == 1) {
      std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
    } else {
      for (int64_t i = 0; i < n; ++i) to[i] = from[i * step];
    }
  }
  // to[y][x] = from[x][y]; squares of four in registers.
  static void transpose(float* to, int64_t to_row, const float* from, int64_t from_row, int64_t rows, int64_t columns) {
    int64_t y = 0;
    for (; y + 4 <= rows; y += 4) {
      int64_t x = 0;
      for (; x + 4 <= columns; x += 4) transpose_square(to + y * to_row + x, to_row, from + x * from_row + y, from_row);
      transpose_slowly(to + y * to_row + x, to_row, from + x * from_row + y, from_row, 4, columns - x);
    }
    transpose_slowly(to + y * to_row, to_row, from + y, from_row, rows - y, columns);
  }
  static void transpose_slowly(float* to, int64_t to_row, const float* from, int64_t from_row, int64_t rows, int64_t columns) {
    for (int64_t y = 0; y < rows; ++y) {
      for (int64_t x = 0; x < columns; ++x) to[y * to_row + x] = from[x * from_row + y];
    }
  }
#if defined(__has_builtin) && __has_builtin(__builtin_shufflevector)
  static void transpose_square(float* to, int64_t to_row, const float* from, int64_t from_row) {
    typedef float Four __attribute__((vector_size(16)));
    Four a, b, c, d;
    std::memcpy(&a, from, 16), std::memcpy(&b, from + from_row, 16), std::memcpy(&c, from + 2 * from_row, 16), std::memcpy(&d, from + 3 * from_row, 16);
    const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const Four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    a = __builtin_shufflevector(ab, cd, 0, 1, 4, 5), b = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    c = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5), d = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
    std::memcpy(to, &a, 16), std::memcpy(to + to_row, &b, 16), std::memcpy(to + 2 * to_row, &c, 16), std::memcpy(to + 3 * to_row, &d, 16);
  }
#else
  static void transpose_square(float* to, int64_t to_row, const float* from, int64_t from_row) { transpose_slowly(to, to_row, from, from_row, 4, 4); }
#endif

  std::vector<int64_t> axes_;
};

}  // namespace

std::unique_ptr<Op> make_permute(const OpSpec& spec, const KernelTable&) { return std::make_unique<PermuteOp>(spec); }

}  // namespace intaglio
