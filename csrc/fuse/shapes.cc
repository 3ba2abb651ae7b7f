// Shapes in terms of the picture's sides, as far as polynomials say them. What is said is certain: two equal lengths are equal for every picture.
#include <algorithm>
#include <set>

#include "fuse/graph.h"

namespace intaglio {
namespace {

// A length that equals no other.
Extent opaque(int64_t& unknown) { return {{Term{++unknown, 0, 0, 0}}}; }

bool is_known(const Extent& extent) { return extent.terms.front().den != 0; }

SymbolicShape unknown_shape(size_t rank, int64_t& unknown) {
  SymbolicShape shape;
  for (size_t axis = 0; axis < rank; ++axis) shape.push_back(opaque(unknown));
  return shape;
}

SymbolicShape broadcast(const SymbolicShape& a, const SymbolicShape& b, int64_t& unknown) {
  if (a.size() < b.size()) return broadcast(b, a, unknown);
  SymbolicShape shape = a;
  for (size_t i = 0; i < b.size(); ++i) {
    Extent& length = shape[a.size() - 1 - i];
    const Extent& other = b[b.size() - 1 - i];
    if (length == other || other.is(1)) continue;
    length = length.is(1) ? other : opaque(unknown);
  }
  return shape;
}

SymbolicShape of_conv(const OpSpec& spec, const SymbolicShape& in, int64_t& unknown) {
  const auto stride = spec.integers("stride", 2), padding = spec.integers("padding", 4), dilation = spec.integers("dilation", 2);
  const auto& weight = spec.shape_of("weight");
  SymbolicShape shape = in;
  const bool codes = spec.sites.contains("output");
  shape[1] = Extent::of((codes ? (weight[0] + 3) / 4 : 0) + (!codes || spec.attrs.contains("floats_too") ? weight[0] : 0));
  for (size_t axis = 0; axis < 2; ++axis) {
    const bool kept = stride[axis] == 1 && padding[axis] + padding[axis + 2] == dilation[axis] * (weight[axis + 2] - 1);
    if (!kept) shape[axis + 2] = opaque(unknown);
  }
  return shape;
}

SymbolicShape of_reshape(const OpSpec& spec, int64_t& unknown) {
  SymbolicShape shape = spec.extents("shape");
  for (Extent& length : shape) {
    if (length.is(-1)) length = opaque(unknown);
  }
  return shape;
}

SymbolicShape of_shuffle(const OpSpec& spec, SymbolicShape shape, int64_t& unknown) {
  const int64_t factor = spec.integer("factor", 1, 16);
  const size_t rank = shape.size();
  if (rank < 3) return unknown_shape(rank, unknown);
  const int64_t channels = shape[rank - 3].constant();
  shape[rank - 3] = channels > 0 ? Extent::of(channels / (factor * factor)) : opaque(unknown);
  for (size_t axis = rank - 2; axis < rank; ++axis) shape[axis] = is_known(shape[axis]) ? shape[axis].times(factor) : opaque(unknown);
  return shape;
}

SymbolicShape of_resize(const OpSpec& spec, const std::vector<SymbolicShape>& in, int64_t& unknown) {
  if (in.front().size() != 4 || in.back().size() != 4) return unknown_shape(4, unknown);
  if (in.size() == 2) return {in[0][0], in[0][1], in[1][2], in[1][3]};
  SymbolicShape shape = in[0];
  const auto& factor = spec.reals("factor");
  for (size_t axis = 0; axis < 2; ++axis) {
    const auto whole = static_cast<int64_t>(factor[axis]);
    shape[axis + 2] = static_cast<double>(whole) == factor[axis] && is_known(shape[axis + 2]) ? shape[axis + 2].times(whole) : opaque(unknown);
  }
  return shape;
}

SymbolicShape of_reduce(const OpSpec& spec, const SymbolicShape& in) {
  const auto axes = spec.integers("axes");
  SymbolicShape shape;
  for (size_t axis = 0; axis < in.size(); ++axis) {
    const bool reduced = std::find(axes.begin(), axes.end(), static_cast<int64_t>(axis)) != axes.end();
    if (!reduced) shape.push_back(in[axis]);
    if (reduced && spec.integer("keep", 0, 1)) shape.push_back(Extent::of(1));
  }
  return shape;
}

SymbolicShape of_permute(const OpSpec& spec, const SymbolicShape& in, int64_t& unknown) {
  SymbolicShape shape;
  for (int64_t axis : spec.integers("axes")) {
    if (axis >= static_cast<int64_t>(in.size())) return unknown_shape(in.size(), unknown);
    shape.push_back(in[static_cast<size_t>(axis)]);
  }
  return shape;
}

SymbolicShape of_constant(const OpSpec& spec) {
  SymbolicShape shape;
  for (int64_t length : spec.floats.at("value").shape) shape.push_back(Extent::of(length));
  return shape;
}

SymbolicShape of_slice(const OpSpec& spec, SymbolicShape shape, int64_t& unknown) {
  const auto axis = static_cast<size_t>(spec.integer("axis", 0, 7));
  if (axis >= shape.size()) return unknown_shape(shape.size(), unknown);
  const int64_t start = spec.extents("start")[0].constant(), stop = spec.extents("stop")[0].constant(), step = spec.integer("step", 1, 1 << 16);
  shape[axis] = start >= 0 && stop > start ? Extent::of((stop - start + step - 1) / step) : opaque(unknown);
  return shape;
}

SymbolicShape of_concat(const OpSpec& spec, const std::vector<SymbolicShape>& in, int64_t& unknown) {
  const auto axis = static_cast<size_t>(spec.integer("axis", 0, 7));
  SymbolicShape shape = in[0];
  int64_t length = 0;
  for (const SymbolicShape& one : in) {
    if (axis >= one.size() || one.size() != shape.size()) return unknown_shape(shape.size(), unknown);
    length = length < 0 || one[axis].constant() < 0 ? -1 : length + one[axis].constant();
  }
  shape[axis] = length < 0 ? opaque(unknown) : Extent::of(length);
  return shape;
}

// The first input counts windows along its first axis, whatever part of it heads are.
SymbolicShape of_attention(const OpSpec& spec, const SymbolicShape& q) {
  const Extent heads = Extent::of(spec.integer("heads", 1, 4096)), tokens = Extent::of(spec.integer("tokens", 1, 4096)), width = Extent::of(spec.integer("width", 1, 4096));
  return spec.attrs.contains("turned") ? SymbolicShape{q[0], tokens, heads, width} : SymbolicShape{q[0], heads, tokens, width};
}

SymbolicShape of_position_bias(const OpSpec& spec) {
  const auto window = spec.integers("window", 2);
  const Extent tokens = Extent::of(window[0] * window[1]);
  return {Extent::of(spec.shape_of("table").back()), tokens, tokens};
}

SymbolicShape of_matmul(const SymbolicShape& a, const SymbolicShape& b, int64_t& unknown) {
  if (a.size() < 2 || b.size() < 2) return {};
  SymbolicShape shape = broadcast({a.begin(), a.end() - 2}, {b.begin(), b.end() - 2}, unknown);
  shape.push_back(a[a.size() - 2]);
  shape.push_back(b.back());
  return shape;
}

}  // namespace

SymbolicShape symbolic_shape(const OpSpec& spec, const std::vector<SymbolicShape>& in, int64_t& unknown) {
  static const std::set<std::string> same{"activation", "affine", "softmax", "layer_norm", "normalize", "roll", "output", "window_block", "channel_norm"};
  static const std::set<std::string> places{"add", "sub", "mul", "div", "maximum", "minimum", "scaled_add"};
  const Extent h{{Term{1, 1, 1, 0}}}, w{{Term{1, 1, 0, 1}}};
  if (spec.kind == "input") return {Extent::of(1), Extent::of(spec.integer("channels", 1, 16)), h, w};
  if (same.contains(spec.kind)) return in[0];
  if (places.contains(spec.kind)) return broadcast(in[0], in[1], unknown);
  if (spec.kind == "conv2d" || spec.kind == "fused_conv") return in[0].size() == 4 ? of_conv(spec, in[0], unknown) : unknown_shape(4, unknown);
  if (spec.kind == "reshape") return of_reshape(spec, unknown);
  if (spec.kind == "permute") return of_permute(spec, in[0], unknown);
  if (spec.kind == "pixel_shuffle") return of_shuffle(spec, in[0], unknown);
  if (spec.kind == "resize") return of_resize(spec, in, unknown);
  if (spec.kind == "reduce") return of_reduce(spec, in[0]);
  if (spec.kind == "constant") return of_constant(spec);
  if (spec.kind == "matmul") return of_matmul(in[0], in[1], unknown);
  if (spec.kind == "expand") return spec.extents("shape");
  if (spec.kind == "slice") return of_slice(spec, in[0], unknown);
  if (spec.kind == "concat") return of_concat(spec, in, unknown);
  if (spec.kind == "attention") return of_attention(spec, in[0]);
  if (spec.kind == "position_bias") return of_position_bias(spec);
  if (spec.kind == "shift_mask" || spec.kind == "unfold") return unknown_shape(3, unknown);
  SymbolicShape shape = in.empty() ? SymbolicShape{} : in[0];
  if (spec.kind == "linear") {
    if (!shape.empty()) shape.back() = Extent::of(spec.shape_of("weight")[0]);
    return shape;
  }
  SymbolicShape other = unknown_shape(shape.size(), unknown);
  if (spec.kind == "planes_of") return {shape[0], Extent::of(spec.integer("planes", 1, 1 << 16)), shape[2], shape[3]};
  if (spec.kind == "pool2d" && shape.size() == 4) other[0] = shape[0], other[1] = shape[1];
  return other;  // pad, take, pixel_unshuffle
}

}  // namespace intaglio
