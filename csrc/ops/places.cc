// Operations that take places of each axis by number: expand, slice, pad, roll, take.
#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

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

std::unique_ptr<Op> make_expand(const OpSpec& spec, const KernelTable&) { return std::make_unique<ExpandOp>(spec); }
std::unique_ptr<Op> make_slice(const OpSpec& spec, const KernelTable&) { return std::make_unique<SliceOp>(spec); }
std::unique_ptr<Op> make_pad(const OpSpec& spec, const KernelTable&) { return std::make_unique<PadOp>(spec); }
std::unique_ptr<Op> make_roll(const OpSpec& spec, const KernelTable&) { return std::make_unique<RollOp>(spec); }
std::unique_ptr<Op> make_take(const OpSpec& spec, const KernelTable&) { return std::make_unique<TakeOp>(spec); }

}  // namespace intaglio
