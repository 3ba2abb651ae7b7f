// A Swin transformer block, with or without shift and mask and with or without position bias, as one pass over windows that stay in the cache.
// Exact in its integers up to the rounding of codes: every product of codes is the same sum of the same integers. Between products the kernel folds
// constants (scale of the queries, affine maps to grids, weights of the norms) and takes exponentials of its own, each rounded as usual; a value that
// lies within that rounding of the middle between two levels may get the neighbouring code. LayerNorm treats tokens one by one, so that it commutes
// with rolling and cutting; windows of the rolled map are read in place, with the same tokens in the same order.
#include <algorithm>

#include "engine/error.h"
#include "fuse/fuse.h"
#include "ops/window_block.h"

namespace intaglio {
namespace {

using Axes = std::vector<int64_t>;

const Axes cut_order{0, 1, 3, 2, 4, 5}, head_order_{0, 2, 1, 3}, key_order{0, 2, 3, 1};

// The operations of one block. Reasons are given from the point on where it is plain that a block was meant.
struct Match {
  const Graph& graph;
  std::string reason = {};
  std::string x = {};
  const OpSpec *norm1 = nullptr, *q = nullptr, *k = nullptr, *v = nullptr, *scale = nullptr, *scores = nullptr, *bias = nullptr, *mask = nullptr;
  const OpSpec *context = nullptr, *proj = nullptr, *norm2 = nullptr, *fc1 = nullptr, *fc2 = nullptr, *roll = nullptr;
  int64_t window = 0, tokens = 0, dim = 0, heads = 0, head_dim = 0, hidden = 0, shift = 0;
  Extent down = {}, across = {};  // windows

  bool no(const char* why) {
    reason = why;
    return false;
  }
  const OpSpec* from(const OpSpec* spec, const char* kind, size_t input = 0) const { return spec ? graph.writer(spec->inputs[input], kind) : nullptr; }
  const OpSpec* permuted(const OpSpec* spec, const Axes& axes, size_t input = 0) const {
    const OpSpec* permute = from(spec, "permute", input);
    return permute && permute->integers("axes") == axes ? permute : nullptr;
  }
  static int64_t length(const OpSpec* reshape, size_t axis) { return reshape->extents("shape")[axis].constant(); }
  static bool has_rank(const OpSpec* reshape, size_t rank) { return reshape && reshape->extents("shape").size() == rank; }
  bool rolled_by(const OpSpec* spec, int64_t by) const {
    const Axes shifts = spec->integers("shifts"), axes = spec->integers("axes");
    return shifts == Axes{by, by} && (axes == Axes{1, 2} || axes == Axes{2, 1});
  }

  bool mlp(const OpSpec& add, size_t side);
  bool attention(const OpSpec& add, size_t side);
  bool back(const OpSpec& add, size_t side);
  bool cut(const std::string& windows);
  bool head(const OpSpec* product, size_t input, const Axes& order, const OpSpec*& linear, bool scaled);
  bool added();
  bool masked(const OpSpec* reshape);
  bool quantized();
  OpSpec block() const;
};

bool Match::mlp(const OpSpec& add, size_t side) {
  fc2 = graph.writer(add.inputs[side], "linear");
  const OpSpec* gelu = from(fc2, "activation");
  if (!gelu || gelu->text("function") != "gelu") return false;
  fc1 = from(gelu, "linear");
  norm2 = from(fc1, "layer_norm");
  return norm2 && norm2->inputs[0] == add.inputs[1 - side];
}

// From the sum back to the projection: roll, raster, windows.
bool Match::back(const OpSpec& add, size_t side) {
  const OpSpec* end = graph.writer(add.inputs[side]);
  if (end && end->kind == "reshape" && graph.writer(end->inputs[0], "roll")) end = graph.writer(end->inputs[0]);
  roll = end && end->kind == "roll" ? end : nullptr;
  const OpSpec* raster = roll ? from(roll, "reshape") : end && end->kind == "reshape" ? end : nullptr;
  const OpSpec* windows = from(permuted(raster, cut_order), "reshape");
  proj = from(windows, "linear");
  if (!proj || !has_rank(windows, 6) || !length(windows, 0)) return false;
  window = length(windows, 3), dim = length(windows, 5), tokens = window * window;
  down = windows->extents("shape")[1], across = windows->extents("shape")[2];
  if (window < 1 || window > 4096 || length(windows, 4) != window || length(windows, 0) != 1) return no("windows are not square");
  shift = roll ? roll->integers("shifts")[0] : 0;
  if (roll && (shift < 1 || shift >= window || !rolled_by(roll, shift))) return no("the shift is not one within a window, the same down and across");
  return true;
}

bool Match::cut(const std::string& value) {
  const OpSpec* windows = graph.writer(value, "reshape");
  if (!has_rank(windows, 3) || length(windows, 1) != tokens || length(windows, 2) != dim) return no("q, k and v do not read the windows");
  const OpSpec* grid = from(permuted(windows, cut_order), "reshape");
  if (!has_rank(grid, 6)) return no("windows are not cut as they are joined");
  const SymbolicShape wanted{Extent::of(1), down, Extent::of(window), across, Extent::of(window), Extent::of(dim)};
  if (grid->extents("shape") != wanted) return no("windows are not cut as they are joined");
  const OpSpec* before = graph.writer(grid->inputs[0]);
  if (roll) {
    if (!before || before->kind != "roll" || !rolled_by(before, -shift)) return no("the map is not rolled back as it was rolled");
    before = graph.writer(before->inputs[0]);
    if (before && before->kind == "reshape") before = graph.writer(before->inputs[0]);
  }
  norm1 = before && before->kind == "layer_norm" ? before : nullptr;
  if (!norm1) return no("no layer_norm before the windows");
  return norm1->inputs[0] == x ? true : no("what is normalised is not what is added");
}

bool Match::head(const OpSpec* product, size_t input, const Axes& order, const OpSpec*& linear, bool is_query) {
  const OpSpec* reshape = from(permuted(product, order, input), "reshape");
  if (!has_rank(reshape, 4) || length(reshape, 1) != tokens) return no("heads are not cut as the kernel cuts them");
  const int64_t count = length(reshape, 2), width = length(reshape, 3);
  if (heads && (count != heads || width != head_dim)) return no("q, k and v have different heads");
  heads = count, head_dim = width;
  if (heads < 1 || head_dim < 1 || heads * head_dim != dim) return no("heads do not make up the width");
  const OpSpec* before = graph.writer(reshape->inputs[0]);
  if (is_query && before && before->kind == "affine" && before->number("offset") == 0.0f) {
    scale = before;
    before = graph.writer(before->inputs[0]);
  }
  linear = before && before->kind == "linear" ? before : nullptr;
  return linear ? true : no("q, k or v is no linear layer");
}

bool Match::masked(const OpSpec* reshape) {
  mask = from(reshape, "shift_mask");
  if (!mask) return no("what is added to the scores is neither a position bias nor the mask of the shift");
  const Axes both{window, window}, shifts{shift, shift};
  const auto& shape = reshape->extents("shape");
  if (shape.size() != 4 || !shape[1].is(1) || !shape[2].is(tokens) || !shape[3].is(tokens)) return no("the mask has another shape");
  if (mask->integers("window") != both || mask->integers("shift") != shifts) return no("the mask is that of other windows");
  if (mask->extents("height")[0] != down.times(window) || mask->extents("width")[0] != across.times(window)) return no("the mask is that of another map");
  return mask->number("value") == -100.0f ? true : no("the mask is not -100");
}

// What is added between the scores and the softmax: mask last, bias first, each or neither.
bool Match::added() {
  const OpSpec* softmax = from(context, "softmax");
  if (!softmax || softmax->integer("axis", 0, 7) != 3) return no("no softmax over keys");
  const OpSpec* value = graph.writer(softmax->inputs[0]);
  for (int terms = 0; terms < 2 && value && value->kind == "add"; ++terms) {
    const OpSpec *left = graph.writer(value->inputs[0]), *right = graph.writer(value->inputs[1]);
    if (right && (right->kind == "matmul" || right->kind == "add")) std::swap(left, right);
    if (right && right->kind == "position_bias" && !bias) {
      bias = right;
    } else if (!right || right->kind != "reshape" || mask || !masked(right)) {
      return no(reason.empty() ? "what is added to the scores is neither a position bias nor the mask of the shift" : reason.c_str());
    }
    value = left;
  }
  scores = value && value->kind == "matmul" ? value : nullptr;
  if (!scores) return no("the scores are no product");
  if ((roll != nullptr) != (mask != nullptr)) return no("a shift without its mask, or a mask without a shift");
  const Axes both{window, window};
  if (bias && (bias->integers("window") != both || bias->shape_of("table")[1] != heads)) return no("the position bias is that of other windows");
  return true;
}

bool Match::attention(const OpSpec& add, size_t side) {
  x = add.inputs[1 - side];
  if (!back(add, side)) return false;
  const OpSpec* joined = from(proj, "reshape");
  context = from(permuted(joined, head_order_), "matmul");
  if (!context || !has_rank(joined, 3)) return no("the projection does not read joined heads");
  if (!head(context, 1, head_order_, v, false) || !added()) return false;
  if (!head(scores, 0, head_order_, q, true) || !head(scores, 1, key_order, k, false)) return false;
  if (bias && bias->shape_of("table")[1] != heads) return no("the position bias is that of other heads");
  if (q->inputs != k->inputs || q->inputs != v->inputs) return no("q, k and v read different values");
  if (!cut(q->inputs[0])) return false;
  const SymbolicShape map{Extent::of(1), down.times(window), across.times(window), Extent::of(dim)};
  return graph.shape(x) == map ? true : no("tokens are not (1, height, width, channels)");
}

bool Match::quantized() {
  hidden = fc1->shape_of("weight")[0];
  for (const OpSpec* spec : {q, k, v, proj, fc1, fc2, scores, context}) {
    if (spec->sites.empty()) return no("not all products are quantized");
  }
  for (const OpSpec* spec : {q, k, v, proj}) {
    if (spec->shape_of("weight") != Axes{dim, dim}) return no("widths differ");
  }
  if (fc1->shape_of("weight") != Axes{hidden, dim} || fc2->shape_of("weight") != Axes{dim, hidden}) return no("widths differ");
  if (norm1->shape_of("weight")[0] != dim || norm2->shape_of("weight")[0] != dim) return no("widths differ");
  if (norm1->number("eps") != norm2->number("eps")) return no("the two norms have different eps");
  return window <= 16 ? true : no("windows above 16 pixels a side");
}

OpSpec Match::block() const {
  OpSpec spec = make_spec("window_block", fc2->name, {}, {},
                          {{"dim", dim}, {"heads", heads}, {"window", window}, {"shift", shift}, {"hidden", hidden}, {"eps", norm1->attrs.at("eps")},
                           {"scale", scale ? scale->attrs.at("scale") : Attr(1.0)}});
  FloatTensor norm{{4, dim}, {}}, offsets{{5 * dim + hidden}, {}}, table{{(2 * window - 1) * (2 * window - 1), heads}, {}};
  for (const OpSpec* one : {norm1, norm2}) {
    for (const char* role : {"weight", "bias"}) norm.values.insert(norm.values.end(), one->floats.at(role).values.begin(), one->floats.at(role).values.end());
  }
  const std::pair<const char*, const OpSpec*> linears[] = {{"q", q}, {"k", k}, {"v", v}, {"proj", proj}, {"fc1", fc1}, {"fc2", fc2}};
  for (const auto& [part, linear] : linears) {
    const std::string stem(part);
    const std::vector<float> bias_of = linear->tensor_or_zeros("bias", linear->shape_of("weight")[0]);
    offsets.values.insert(offsets.values.end(), bias_of.begin(), bias_of.end());
    spec.codes[stem + ".codes"] = linear->codes.at("weight.codes");
    spec.sites[stem + ".input"] = linear->sites.at("input");
    spec.sites[stem + ".weight"] = linear->sites.at("weight");
  }
  for (const char* side : {"a", "b"}) {
    spec.sites[std::string("scores.") + side] = scores->sites.at(side);
    spec.sites[std::string("context.") + side] = context->sites.at(side);
  }
  table.values = bias ? bias->floats.at("table").values : std::vector<float>(static_cast<size_t>(table.shape[0] * heads));
  spec.floats = {{"norm", norm}, {"bias", offsets}, {"table", table}};
  spec.parts = parts_of({norm1, q, k, v, scale, scores, bias, mask, context, proj, norm2, fc1, fc2});
  return spec;
}

// The block whose last sum this is, if it is one; then its name says which.
bool find(Match& match, const OpSpec& last) {
  for (size_t side : {size_t{1}, size_t{0}}) {
    if (!match.mlp(last, side)) continue;
    const OpSpec* first = match.graph.writer(last.inputs[1 - side], "add");
    if (!first) return match.no("what goes into the second half is no sum");
    for (size_t attention : {size_t{1}, size_t{0}}) {
      if (match.attention(*first, attention)) return match.quantized();
      if (!match.reason.empty()) return false;
    }
    return match.no("no attention in windows before the second half");
  }
  return false;
}

}  // namespace

void fuse_swin_blocks(Graph& graph, const KernelTable& kernels) {
  for (size_t i = 0; i < graph.size(); ++i) {
    const OpSpec& last = graph.at(i);
    if (last.kind != "add") continue;
    Match match{graph};
    if (!find(match, last)) {
      if (!match.reason.empty()) graph.remark("window_block", last.name, match.reason);
      continue;
    }
    const std::string map = graph.fresh(), result = graph.fresh();
    OpSpec block = match.block();
    block.inputs = {map}, block.output = result;
    try {
      block.made = std::make_shared<WindowBlock>(block, kernels);
    } catch (const Error& error) {
      graph.remark("window_block", last.name, error.what());
      continue;
    }
    graph.replace(i, {make_spec("permute", last.name, {match.x}, map, {{"axes", Axes{0, 3, 1, 2}}}), block,
                      make_spec("permute", last.name, {result}, last.output, {{"axes", Axes{0, 2, 3, 1}}})});
  }
}

}  // namespace intaglio
