// Two products of codes with a softmax between them, in windows whose number of tokens is known: one pass over each head of each window, without a map of
// scores in memory. A position bias, the mask of shifted windows and a factor for each head are part of it. Exact in its integers up to the rounding of
// codes, as a whole block is (swin_block.cc): the same codes of q, k and v, sums of the same integers, and exponentials within rounding of softmax.
#include <algorithm>

#include "engine/error.h"
#include "fuse/fuse.h"
#include "ops/attention.h"

namespace intaglio {
namespace {

using Axes = std::vector<int64_t>;

// Where the numbers of one window's heads lie in a value whose first axis counts windows: `at` for each number of the value that was asked for.
struct View {
  std::string value;
  std::vector<int64_t> at;
};

// The lengths behind the first axis, or nothing if they depend on the picture.
std::vector<int64_t> lengths_of(const SymbolicShape& shape) {
  std::vector<int64_t> lengths;
  for (size_t axis = 1; axis < shape.size(); ++axis) {
    if (shape[axis].constant() < 1) return {};
    lengths.push_back(shape[axis].constant());
  }
  return lengths;
}

// One move back: what a permute or a slice within windows, or a reshape of them, does to the places. False where there is another operation.
bool step_back(const Graph& graph, View& view) {
  const OpSpec* move = graph.writer(view.value);
  if (!move || (move->kind != "reshape" && move->kind != "permute" && move->kind != "slice")) return false;
  const SymbolicShape &from = graph.shape(move->inputs[0]), &to = graph.shape(view.value);
  const std::vector<int64_t> before = lengths_of(from), after = lengths_of(to);
  if (before.empty() || after.empty() || from[0] != to[0]) return false;
  std::vector<int64_t> strides(before.size() + 1, 1);  // of axes behind the first
  for (size_t axis = before.size(); axis-- > 0;) strides[axis] = strides[axis + 1] * before[axis];
  std::vector<int64_t> step(strides.begin() + 1, strides.end());
  int64_t first = 0;
  if (move->kind == "permute") {
    const Axes axes = move->integers("axes");
    if (axes[0] != 0) return false;
    for (size_t axis = 1; axis < axes.size(); ++axis) step[axis - 1] = strides[static_cast<size_t>(axes[axis])];
  } else if (move->kind == "slice") {
    const int64_t axis = move->integer("axis", 0, 7), start = move->extents("start")[0].constant();
    if (axis == 0 || start < 0) return false;
    first = start * step[static_cast<size_t>(axis) - 1];
    step[static_cast<size_t>(axis) - 1] *= move->integer("step", 1, 1 << 16);
  }
  if (move->kind != "reshape") {
    for (int64_t& place : view.at) {
      int64_t rest = place;
      place = first;
      for (size_t axis = after.size(); axis-- > 0; rest /= after[axis]) place += rest % after[axis] * step[axis];
    }
  }
  view.value = move->inputs[0];
  return true;
}

struct Match {
  const Graph& graph;
  std::string reason = {};
  const OpSpec *scores = nullptr, *bias = nullptr, *mask = nullptr, *softmax = nullptr;
  std::vector<const OpSpec*> factors = {}, passed = {};
  int64_t heads = 0, tokens = 0, width = 0;

  bool no(const char* why) {
    reason = why;
    return false;
  }
  bool products(const OpSpec& context);
  bool added(const std::string& value);
  bool is_mask(const OpSpec* term);
  bool is_bias(const OpSpec* term) const;
  bool factored(const OpSpec*& value);
  std::vector<float> bias_values() const;
  std::vector<float> factor_values() const;
  void place(OpSpec& spec, size_t input, const char* role, bool keys) const;
  OpSpec attention(const OpSpec& context) const;
};

bool Match::products(const OpSpec& context) {
  softmax = graph.writer(context.inputs[0], "softmax");
  if (!softmax || context.sites.empty()) return false;
  if (!graph.read_once(softmax->output)) return no("the attention map is read elsewhere too");
  const SymbolicShape &map = graph.shape(softmax->output), &v = graph.shape(context.inputs[1]);
  if (map.size() != 4 || softmax->integer("axis", 0, 7) != 3 || v.size() != 4) return no("it is no softmax over keys of heads of windows");
  heads = map[1].constant(), tokens = map[3].constant(), width = v[3].constant();
  if (heads < 1 || tokens < 1 || width < 1 || !map[2].is(tokens)) return no("the number of tokens or of heads depends on the picture");
  constexpr int64_t most = 1 << 22;
  if (tokens > 1024 || heads * tokens * tokens > most) return no("there are too many tokens in a window");
  return v == SymbolicShape{map[0], map[1], map[2], v[3]} ? true : no("values are not those of the same windows");
}

bool Match::is_bias(const OpSpec* term) const {
  if (!term || bias) return false;
  const SymbolicShape wanted{Extent::of(heads), Extent::of(tokens), Extent::of(tokens)}, with_one{Extent::of(1), wanted[0], wanted[1], wanted[2]};
  const SymbolicShape& shape = graph.shape(term->output);
  const bool by_head = term->kind == "constant" && (shape.empty() || shape == SymbolicShape{wanted[0], Extent::of(1), Extent::of(1)});
  return by_head || ((term->kind == "position_bias" || term->kind == "constant") && (shape == wanted || shape == with_one));
}

// (windows, 1, tokens, tokens)
bool Match::is_mask(const OpSpec* term) {
  const OpSpec* made = term && term->kind == "reshape" ? graph.writer(term->inputs[0], "shift_mask") : nullptr;
  if (!made || mask || made->number("value") != -100.0f) return false;
  const SymbolicShape& shape = graph.shape(term->output);
  const std::vector<int64_t> window = made->integers("window", 2);
  if (shape.size() != 4 || shape[0] != graph.shape(softmax->output)[0] || window[0] * window[1] != tokens || !shape[1].is(1) || !shape[2].is(tokens) || !shape[3].is(tokens)) return false;
  mask = made;
  return true;
}

// A factor for each head, or one for all, behind the product.
bool Match::factored(const OpSpec*& value) {
  if (value->kind == "affine" && value->number("offset") == 0.0f) {
    factors.push_back(value), passed.push_back(value);
    value = graph.writer(value->inputs[0]);
    return true;
  }
  if (value->kind != "mul") return false;
  for (size_t side : {size_t{1}, size_t{0}}) {
    const OpSpec* constant = graph.writer(value->inputs[side], "constant");
    if (!constant) continue;
    const std::vector<int64_t>& shape = constant->shape_of("value");
    const int64_t count = static_cast<int64_t>(constant->floats.at("value").values.size());
    const bool by_head = count == heads && shape.size() >= 3 && shape[shape.size() - 3] == heads && shape.size() <= 4;
    if (count != 1 && !by_head) continue;
    factors.push_back(constant), passed.push_back(value);
    value = graph.writer(value->inputs[1 - side]);
    return true;
  }
  return false;
}

// From the softmax back to the scores: sums with a bias and a mask, then factors.
bool Match::added(const std::string& from) {
  const OpSpec* value = graph.writer(from);
  for (int terms = 0; terms < 2 && value && value->kind == "add" && graph.read_once(value->output); ++terms) {
    bool found = false;
    for (size_t side : {size_t{1}, size_t{0}}) {
      const OpSpec* term = graph.writer(value->inputs[side]);
      const bool biased = is_bias(term);
      if (biased) bias = term;
      if (!biased && !is_mask(term)) continue;
      passed.push_back(value);
      value = graph.writer(value->inputs[1 - side]);
      found = true;
      break;
    }
    if (!found) return no("what is added to the scores is neither a position bias nor the mask of a shift");
  }
  while (value && graph.read_once(value->output) && factored(value)) {}
  scores = value && value->kind == "matmul" && !value->sites.empty() && graph.read_once(value->output) ? value : nullptr;
  if (!scores) return no("the scores are no product of codes");
  const SymbolicShape &map = graph.shape(softmax->output), &q = graph.shape(scores->inputs[0]), &k = graph.shape(scores->inputs[1]);
  const Extent d = Extent::of(width);
  if (q != SymbolicShape{map[0], map[1], map[2], d} || k != SymbolicShape{map[0], map[1], d, map[3]}) return no("queries and keys are not those of the same windows");
  return true;
}

std::vector<float> Match::bias_values() const {
  std::vector<float> values(static_cast<size_t>(heads * tokens * tokens));
  if (!bias) return values;
  if (bias->kind == "constant") {
    const auto& given = bias->floats.at("value").values;
    const size_t each = values.size() / given.size();  // one number for each head, or all of them
    for (size_t at = 0; at < values.size(); ++at) values[at] = given[at / each];
    return values;
  }
  const std::vector<int64_t> window = bias->integers("window", 2);
  const auto& table = bias->floats.at("table").values;
  for (size_t at = 0; at < values.size(); ++at) {
    const int64_t row = static_cast<int64_t>(at) / tokens, i = row % tokens, j = static_cast<int64_t>(at) % tokens, head = row / tokens;
    const int64_t index = (i / window[1] - j / window[1] + window[0] - 1) * (2 * window[1] - 1) + i % window[1] - j % window[1] + window[1] - 1;
    values[at] = table[static_cast<size_t>(index * heads + head)];
  }
  return values;
}

std::vector<float> Match::factor_values() const {
  std::vector<float> values(static_cast<size_t>(heads), 1.0f);
  for (const OpSpec* factor : factors) {
    for (size_t h = 0; h < values.size(); ++h) {
      const bool one = factor->kind == "affine" || factor->floats.at("value").values.size() == 1;
      values[h] *= factor->kind == "affine" ? factor->number("scale") : factor->floats.at("value").values[one ? 0 : h];
    }
  }
  return values;
}

// Reads an input where it lay before it was moved, if tokens and channels are evenly apart there.
void Match::place(OpSpec& spec, size_t input, const char* role, bool keys) const {
  View view{spec.inputs[input], std::vector<int64_t>(static_cast<size_t>(heads * tokens * width))};
  for (size_t i = 0; i < view.at.size(); ++i) view.at[i] = static_cast<int64_t>(i);
  while (step_back(graph, view)) {}
  if (view.value == spec.inputs[input]) return;
  const int64_t down = keys ? 1 : width, across = keys ? tokens : 1, all = tokens * width;
  const auto step = [&](int64_t count, int64_t to) { return count > 1 ? view.at[static_cast<size_t>(to)] - view.at[0] : 0; };
  const int64_t first = view.at[0], head = step(heads, all), token = step(tokens, down), channel = step(width, across);
  for (int64_t i = 0; i < heads * all; ++i) {
    const int64_t within = i % all, t = keys ? within % tokens : within / width, c = keys ? within / tokens : within % width;
    if (view.at[static_cast<size_t>(i)] != first + i / all * head + t * token + c * channel) return;
  }
  if (head < 0 || token < 0 || channel < 0 || (channel != 1 && width > 1 && !(keys && token == 1))) return;
  int64_t window = 1;
  for (int64_t length : lengths_of(graph.shape(view.value))) window *= length;
  spec.inputs[input] = view.value;
  spec.attrs[role] = Axes{first, window, head, token, width > 1 ? channel : 1};
}

OpSpec Match::attention(const OpSpec& context) const {
  OpSpec spec = make_spec("attention", context.name, {scores->inputs[0], scores->inputs[1], context.inputs[1]}, context.output,
                          {{"heads", heads}, {"tokens", tokens}, {"width", width}});
  for (const char* side : {"a", "b"}) {
    spec.sites[std::string("scores.") + side] = scores->sites.at(side);
    spec.sites[std::string("context.") + side] = context.sites.at(side);
  }
  spec.floats["bias"] = {{heads, tokens, tokens}, bias_values()};
  spec.floats["factor"] = {{heads}, factor_values()};
  if (mask) {
    for (const char* role : {"window", "shift", "height"}) spec.attrs[role] = mask->attrs.at(role);
    spec.attrs["width_of_map"] = mask->attrs.at("width");
  }
  std::vector<const OpSpec*> all{scores, bias, mask};
  all.insert(all.end(), passed.begin(), passed.end());
  all.insert(all.end(), {softmax, &context});
  spec.parts = parts_of(all);
  place(spec, 0, "q", false), place(spec, 1, "k", true), place(spec, 2, "v", false);
  return spec;
}

}  // namespace

void fuse_attention(Graph& graph, const KernelTable& kernels) {
  for (size_t i = 0; i < graph.size(); ++i) {
    const OpSpec& context = graph.at(i);
    if (context.kind != "matmul") continue;
    Match match{graph};
    if (!match.products(context) || !match.added(match.softmax->inputs[0])) {
      if (!match.reason.empty()) graph.remark("attention", context.name, match.reason);
      continue;
    }
    OpSpec attention = match.attention(context);
    const auto& readers = graph.readers(context.output);
    const OpSpec* turn = readers.size() == 1 ? &graph.at(readers[0]) : nullptr;
    if (turn && (turn->kind != "permute" || turn->integers("axes") != Axes{0, 2, 1, 3})) turn = nullptr;
    if (turn) attention.attrs["turned"] = int64_t{1}, attention.output = turn->output, attention.parts.push_back(turn->name);
    try {
      attention.made = std::make_shared<Attention>(attention, kernels);
    } catch (const Error& error) {
      graph.remark("attention", context.name, error.what());
      continue;
    }
    graph.replace(turn ? readers[0] : i, {attention});
  }
}

}  // namespace intaglio
