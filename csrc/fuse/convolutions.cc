// What a convolution does while its result is in registers or in the first-level cache: the activation behind it, then the sum behind that, either term
// scaled, or the product. Exact: the same operations on the same numbers in the same order, but for the sign of zeros.
#include <set>

#include "fuse/fuse.h"

namespace intaglio {
namespace {

// The value without the `affine` that only scales it, which must be its only reader, and the scale.
struct Scaled {
  std::string value;
  double scale = 1.0;
  const OpSpec* affine = nullptr;
};

Scaled scaled(const Graph& graph, const std::string& value) {
  const OpSpec* affine = graph.writer(value, "affine");
  if (!affine || affine->number("offset") != 0.0f || !graph.read_once(value)) return {value};
  return {affine->inputs[0], static_cast<double>(affine->number("scale")), affine};
}

bool same_shape(const Graph& graph, const std::string& a, const std::string& b) { return graph.shape(a) == graph.shape(b); }

// The convolution that writes a value for one reader, and does nothing with a second input yet, or null.
const OpSpec* convolution(const Graph& graph, const std::string& value) {
  const OpSpec* conv = graph.writer(value);
  const bool free = conv && (conv->kind == "conv2d" || conv->kind == "fused_conv") && conv->inputs.size() == 1;
  return free && graph.read_once(value) ? conv : nullptr;
}

// The convolution as the term `own` of a sum, or null.
const OpSpec* summand(const Graph& graph, const Scaled& own, const Scaled& other) {
  return own.value == other.value ? nullptr : convolution(graph, own.value);
}

}  // namespace

void fuse_sums(Graph& graph) {
  std::set<std::string> taken;
  for (size_t i = 0; i < graph.size(); ++i) {
    const OpSpec& add = graph.at(i);
    if (add.kind != "add" || add.inputs[0] == add.inputs[1]) continue;
    Scaled own = scaled(graph, add.inputs[1]), other = scaled(graph, add.inputs[0]);
    const OpSpec* conv = summand(graph, own, other);
    if (!conv || taken.contains(conv->output)) {
      std::swap(own, other);
      conv = summand(graph, own, other);
    }
    if (!conv || taken.contains(conv->output)) continue;
    if (!same_shape(graph, own.value, other.value)) {
      graph.remark("convolution with sum", add.name, "the terms are not known to have one shape");
      continue;
    }
    taken.insert(conv->output);
    OpSpec fused = *conv;
    fused.kind = "fused_conv";
    fused.inputs.push_back(other.value);
    fused.output = add.output;
    fused.attrs["own_scale"] = own.scale;
    fused.attrs["residual_scale"] = other.scale;
    fused.parts = parts_of({conv, own.affine, other.affine, &add});
    graph.replace(i, {fused});
  }
}

void fuse_products(Graph& graph) {
  std::set<std::string> taken;
  for (size_t i = 0; i < graph.size(); ++i) {
    const OpSpec& mul = graph.at(i);
    if (mul.kind != "mul" || mul.inputs[0] == mul.inputs[1] || !same_shape(graph, mul.inputs[0], mul.inputs[1])) continue;
    for (size_t side : {size_t{1}, size_t{0}}) {
      const OpSpec* conv = convolution(graph, mul.inputs[side]);
      if (!conv || taken.contains(conv->output)) continue;
      taken.insert(conv->output);
      OpSpec fused = *conv;
      fused.kind = "fused_conv";
      fused.inputs.push_back(mul.inputs[1 - side]);
      fused.output = mul.output;
      fused.attrs["product"] = int64_t{1};
      fused.parts = parts_of({conv, &mul});
      graph.replace(i, {fused});
      break;
    }
  }
}

void fuse_activations(Graph& graph) {
  static const std::set<std::string> functions{"relu", "leaky_relu", "prelu", "sigmoid", "gelu", "silu"};
  for (size_t i = 0; i < graph.size(); ++i) {
    const OpSpec& act = graph.at(i);
    if (act.kind != "activation") continue;
    const OpSpec* conv = graph.writer(act.inputs[0], "conv2d");
    if (!conv) continue;
    if (!functions.contains(act.text("function"))) {
      graph.remark("convolution with activation", act.name, act.text("function") + " is not one that convolutions do");
      continue;
    }
    if (!graph.read_once(conv->output)) {
      graph.remark("convolution with activation", act.name, "what comes before it is read elsewhere too");
      continue;
    }
    OpSpec fused = *conv;
    fused.kind = "fused_conv";
    fused.output = act.output;
    fused.attrs["function"] = act.attrs.at("function");
    fused.attrs["slope"] = act.attrs.at("slope");
    if (act.has_floats("weight")) fused.floats["slopes"] = act.floats.at("weight");
    fused.parts = parts_of({conv, &act});
    graph.replace(i, {fused});
  }
}

void fuse_scales(Graph& graph) {
  for (size_t i = 0; i < graph.size(); ++i) {
    const OpSpec& add = graph.at(i);
    if (add.kind != "add" || add.inputs[0] == add.inputs[1]) continue;
    for (size_t side : {size_t{1}, size_t{0}}) {
      const Scaled term = scaled(graph, add.inputs[side]);
      const std::string& other = add.inputs[1 - side];
      if (!term.affine || !same_shape(graph, term.value, other)) continue;
      OpSpec sum = make_spec("scaled_add", add.name, {other, term.value}, add.output, {{"scale", term.scale}});
      sum.parts = parts_of({term.affine, &add});
      graph.replace(i, {sum});
      break;
    }
  }
}

}  // namespace intaglio
