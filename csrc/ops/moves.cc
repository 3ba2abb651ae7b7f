// Operations that move numbers and compute none: reshape, permute, and those that take places of each axis by number: expand, slice, pad, roll, take.
#include <algorithm>
#include <cstring>
#include <utility>

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

// Along each axis a list of places of the input, or -1 for a filling; axes that stay as they are have none.
class PlacesOp : public MapOp {
 public:
  Workspace workspace(const Operands& operands) const override {
    const Dims out = shape(operands);
    int64_t places = 0, longest = 0;
    for (int axis = 0; axis < out.rank; ++axis) places += out[axis], longest = std::max(longest, out[axis]);
    return {0, static_cast<size_t>(places + longest) * sizeof(int64_t)};
  }

  void run(const Context& context) const override {
    const Tensor &in = context.in[0], &out = context.out;
    const int rank = out.dims.rank, missing = rank - in.dims.rank;
    int64_t* next = reinterpret_cast<int64_t*>(context.shared());
    int64_t* places[max_rank];
    int kept = rank;  // the axes from here on are copied whole
    for (int axis = rank - 1; axis >= 0; --axis) {
      places[axis] = next, next += out.dims[axis];
      const int own = axis - missing;
      bool whole = own >= 0 && in.dims[own] == out.dims[axis];
      for (int64_t at = 0; at < out.dims[axis]; ++at) {
        places[axis][at] = own < 0 ? 0 : place(context, axis, at, in.dims[own]);
        whole = whole && places[axis][at] == at;
      }
      const bool together = kept == rank || (own >= 0 && in.stride(own) == in.dims[own + 1] * in.stride(own + 1) && out.stride(axis) == out.dims[axis + 1] * out.stride(axis + 1));
      if (whole && kept == axis + 1 && together) kept = axis;
    }
    const int64_t length = out.dims.count(kept, rank);
    if (!kept) {
      context.pool.run(1, [&](int, int64_t, int64_t) { std::memcpy(out.data, in.data, static_cast<size_t>(length) * sizeof(float)); });
      return;
    }
    const int last = kept - 1;
    const int64_t rows = out.dims.count(0, last), step = last - missing < 0 ? 0 : in.stride(last - missing), to_step = out.stride(last);
    int64_t* together = next;  // how many places from here on lie together in the input too, or are filled
    for (int64_t at = out.dims[last]; at-- > 0;) {
      const bool ends = at + 1 == out.dims[last] || to_step != length;
      const int64_t from = places[last][at], behind = ends ? 0 : places[last][at + 1];
      together[at] = !ends && (from < 0 ? behind < 0 : behind == from + 1 && step == length) ? together[at + 1] + 1 : 1;
    }
    context.pool.run(rows, [&](int, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t rest = row, source = 0, target = 0;
        bool filled = false;
        for (int axis = last - 1; axis >= 0; --axis) {
          const int64_t at = rest % out.dims[axis], from = places[axis][at];
          rest /= out.dims[axis], target += at * out.stride(axis);
          filled = filled || from < 0;
          if (axis >= missing) source += from * in.stride(axis - missing);
        }
        for (int64_t at = 0; at < out.dims[last]; at += together[at]) {
          const int64_t from = places[last][at], count = together[at] * length;
          float* to = out.data + target + at * to_step;
          if (filled || from < 0) {
            std::fill_n(to, count, filling());
          } else if (count == 1) {
            *to = in.data[source + from * step];
          } else {
            std::memcpy(to, in.data + source + from * step, static_cast<size_t>(count) * sizeof(float));
          }
        }
      }
    });
  }

 protected:
  // The place of the input for place `at` of the output, along an axis of which the input has n.
  virtual int64_t place(const Context& context, int axis, int64_t at, int64_t n) const = 0;
  virtual float filling() const { return 0.0f; }
};

class ExpandOp final : public PlacesOp {
 public:
  explicit ExpandOp(const OpSpec& spec) : shape_(spec.extents("shape")) {}
  Dims shape(const Operands& operands) const override {
    const Dims& in = operands.in.at(0);
    Dims out;
    for (const Extent& length : shape_) out.append(length.evaluate(operands.padded_h, operands.padded_w));
    bool fits = in.rank <= out.rank;
    for (int i = 1; fits && i <= in.rank; ++i) fits = in[in.rank - i] == out[out.rank - i] || in[in.rank - i] == 1;
    if (!fits) refuse_shapes("expand", "what expands to its shape");
    return out;
  }

 protected:
  int64_t place(const Context&, int, int64_t at, int64_t n) const override { return n == 1 ? 0 : at; }

 private:
  std::vector<Extent> shape_;
};

class SliceOp final : public PlacesOp {
 public:
  explicit SliceOp(const OpSpec& spec)
      : axis_(static_cast<int>(spec.integer("axis", 0, max_rank - 1))), start_(spec.extents("start").at(0)), stop_(spec.extents("stop").at(0)), step_(spec.integer("step", 1, 1 << 16)) {}
  Dims shape(const Operands& operands) const override {
    Dims out = operands.in.at(0);
    const int64_t start = start_.evaluate(operands.padded_h, operands.padded_w), stop = stop_.evaluate(operands.padded_h, operands.padded_w);
    if (axis_ >= out.rank || start >= stop || stop > out[axis_]) refuse_shapes("slice", "an axis that has its places");
    out[axis_] = (stop - start + step_ - 1) / step_;
    return out;
  }

 protected:
  int64_t place(const Context& context, int axis, int64_t at, int64_t) const override {
    return axis == axis_ ? start_.evaluate(context.padded_h, context.padded_w) + at * step_ : at;
  }

 private:
  int axis_;
  Extent start_, stop_;
  int64_t step_;
};

class PadOp final : public PlacesOp {
 public:
  explicit PadOp(const OpSpec& spec) : widths_(spec.extents("widths")), value_(spec.number("value")) {
    constexpr std::pair<const char*, Mode> modes[] = {{"zero", Mode::zero}, {"reflect", Mode::reflect}, {"mirror", Mode::mirror}, {"edge", Mode::edge}, {"circular", Mode::circular}};
    for (const auto& [name, of] : modes) mode_ = spec.text("mode") == name ? of : mode_;
    if (widths_.size() % 2) spec.refuse("widths are no pairs");
  }
  Dims shape(const Operands& operands) const override {
    Dims out = operands.in.at(0);
    if (widths_.size() != static_cast<size_t>(2 * out.rank)) refuse_shapes("pad", "as many axes as it has pairs of widths");
    for (int axis = 0; axis < out.rank; ++axis) {
      const int64_t before = width(2 * axis, operands.padded_h, operands.padded_w), after = width(2 * axis + 1, operands.padded_h, operands.padded_w);
      if (mode_ == Mode::circular && std::max(before, after) > out[axis]) refuse_shapes("pad", "axes as long as their borders");
      out[axis] += before + after;
    }
    return out;
  }

 protected:
  int64_t place(const Context& context, int axis, int64_t at, int64_t n) const override {
    const int64_t from = at - width(2 * axis, context.padded_h, context.padded_w);
    if (from >= 0 && from < n) return from;
    switch (mode_) {
      case Mode::zero: return -1;
      case Mode::edge: return from < 0 ? 0 : n - 1;
      case Mode::circular: return from < 0 ? from + n : from - n;
      case Mode::mirror: return mirrored(from, 2 * n, 2 * n - 1);
      case Mode::reflect: return mirrored(from, std::max<int64_t>(1, 2 * n - 2), 2 * n - 2);
    }
    return -1;
  }
  float filling() const override { return value_; }

 private:
  enum class Mode { zero, reflect, mirror, edge, circular };
  // The mirrors on both sides make a wave of this period; it comes back to the first place `last` places after it.
  static int64_t mirrored(int64_t from, int64_t period, int64_t last) {
    return std::min((from % period + period) % period, std::max<int64_t>(last - (from % period + period) % period, 0));
  }
  int64_t width(int index, int64_t h, int64_t w) const { return widths_[static_cast<size_t>(index)].evaluate(h, w); }

  std::vector<Extent> widths_;
  float value_;
  Mode mode_ = Mode::zero;
};

class RollOp final : public PlacesOp {
 public:
  explicit RollOp(const OpSpec& spec) : shifts_(spec.integers("shifts")), axes_(spec.integers("axes")) {
    bool sound = shifts_.size() == axes_.size();
    for (size_t i = 0; i < axes_.size(); ++i) sound = sound && std::count(axes_.begin(), axes_.end(), axes_[i]) == 1;
    if (!sound) spec.refuse("there is not one shift for each axis");
  }
  Dims shape(const Operands& operands) const override {
    if (*std::max_element(axes_.begin(), axes_.end()) >= operands.in.at(0).rank) refuse_shapes("roll", "the axes that it names");
    return operands.in[0];
  }

 protected:
  int64_t place(const Context&, int axis, int64_t at, int64_t n) const override {
    for (size_t i = 0; i < axes_.size(); ++i) {
      if (axes_[i] == axis) return ((at - shifts_[i]) % n + n) % n;
    }
    return at;
  }

 private:
  std::vector<int64_t> shifts_, axes_;
};

class TakeOp final : public PlacesOp {
 public:
  explicit TakeOp(const OpSpec& spec) : axis_(static_cast<int>(spec.integer("axis", 0, max_rank - 1))) {
    const auto found = spec.indices.find("indices");
    if (found == spec.indices.end() || found->second.values.empty()) spec.refuse("there are no indices");
    indices_ = found->second.values;
    if (*std::min_element(indices_.begin(), indices_.end()) < 0) spec.refuse("an index is negative");
  }
  Dims shape(const Operands& operands) const override {
    Dims out = operands.in.at(0);
    if (axis_ >= out.rank || *std::max_element(indices_.begin(), indices_.end()) >= out[axis_]) refuse_shapes("take", "an axis that has its places");
    out[axis_] = static_cast<int64_t>(indices_.size());
    return out;
  }

 protected:
  int64_t place(const Context&, int axis, int64_t at, int64_t) const override { return axis == axis_ ? indices_[static_cast<size_t>(at)] : at; }

 private:
  int axis_;
  std::vector<int32_t> indices_;
};

}  // namespace

std::unique_ptr<Op> make_reshape(const OpSpec& spec, const KernelTable&) { return std::make_unique<ReshapeOp>(spec); }
std::unique_ptr<Op> make_permute(const OpSpec& spec, const KernelTable&) { return std::make_unique<PermuteOp>(spec); }
std::unique_ptr<Op> make_expand(const OpSpec& spec, const KernelTable&) { return std::make_unique<ExpandOp>(spec); }
std::unique_ptr<Op> make_slice(const OpSpec& spec, const KernelTable&) { return std::make_unique<SliceOp>(spec); }
std::unique_ptr<Op> make_pad(const OpSpec& spec, const KernelTable&) { return std::make_unique<PadOp>(spec); }
std::unique_ptr<Op> make_roll(const OpSpec& spec, const KernelTable&) { return std::make_unique<RollOp>(spec); }
std::unique_ptr<Op> make_take(const OpSpec& spec, const KernelTable&) { return std::make_unique<TakeOp>(spec); }

}  // namespace intaglio
