// Permutes and reshapes that follow each other, and permutes that can wait. Exact: none of them changes a number, and an operation that treats every
// place by itself gives the same numbers whatever the order of the axes.
#include <numeric>
#include <set>

#include "fuse/fuse.h"

namespace intaglio {
namespace {

bool is_identity(const std::vector<int64_t>& axes) {
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

void merge_permute(Graph& graph, size_t index) {
  OpSpec spec = graph.at(index);
  std::vector<int64_t> axes = spec.integers("axes");
  const OpSpec* before = graph.writer(spec.inputs[0], "permute");
  if (before) {
    const std::vector<int64_t> first = before->integers("axes");
    if (first.size() != axes.size()) return;
    for (int64_t& axis : axes) axis = first[static_cast<size_t>(axis)];
    spec.inputs[0] = before->inputs[0];
    spec.parts = parts_of({before, &graph.at(index)});
  }
  if (is_identity(axes)) {
    graph.redirect(spec.output, spec.inputs[0]);
  } else if (before) {
    spec.attrs["axes"] = axes;
    graph.replace(index, {spec});
  }
}

void merge_reshape(Graph& graph, size_t index) {
  OpSpec spec = graph.at(index);
  const OpSpec* before = graph.writer(spec.inputs[0], "reshape");
  const std::string& source = before ? before->inputs[0] : spec.inputs[0];
  if (graph.shape(source) == graph.shape(spec.output)) {
    graph.redirect(spec.output, source);
  } else if (before) {
    spec.parts = parts_of({before, &graph.at(index)});
    spec.inputs[0] = source;
    graph.replace(index, {spec});
  }
}

}  // namespace

void merge_moves(Graph& graph) {
  for (size_t i = 0; i + 1 < graph.size(); ++i) {
    if (graph.at(i).kind == "permute") merge_permute(graph, i);
    if (graph.at(i).kind == "reshape") merge_reshape(graph, i);
  }
}

// Worth it only where at least one of the permutes has no other reader: it goes, and one comes behind.
void sink_permutes(Graph& graph) {
  static const std::set<std::string> kinds{"add", "sub", "mul", "div", "maximum", "minimum"};
  for (size_t i = 0; i < graph.size(); ++i) {
    const OpSpec& spec = graph.at(i);
    if (!kinds.contains(spec.kind)) continue;
    const OpSpec *a = graph.writer(spec.inputs[0], "permute"), *b = graph.writer(spec.inputs[1], "permute");
    if (!a || !b || a == b || a->integers("axes") != b->integers("axes")) continue;
    if (!graph.read_once(a->output) && !graph.read_once(b->output)) continue;
    OpSpec sum = spec, permute = make_spec("permute", a->name, {graph.fresh()}, spec.output, {{"axes", a->attrs.at("axes")}});
    sum.inputs = {a->inputs[0], b->inputs[0]};
    sum.output = permute.inputs[0];
    permute.parts = parts_of({a, b});
    graph.replace(i, {sum, permute});
  }
}

}  // namespace intaglio
