#include "fuse/graph.h"

#include <algorithm>
#include <set>

namespace intaglio {

Graph::Graph(std::vector<OpSpec> specs) : specs_(std::move(specs)) { index(); }

void Graph::index() {
  writers_.clear(), readers_.clear(), shapes_.clear(), replaced_.clear(), redirected_.clear();
  int64_t unknown = 0;
  for (size_t i = 0; i < specs_.size(); ++i) {
    std::vector<SymbolicShape> in;
    for (const std::string& input : specs_[i].inputs) {
      readers_[input].push_back(i);
      in.push_back(shapes_.at(input));
    }
    writers_[specs_[i].output] = i;
    readers_[specs_[i].output];
    shapes_[specs_[i].output] = symbolic_shape(specs_[i], in, unknown);
  }
}

const OpSpec* Graph::writer(const std::string& value) const {
  const auto found = writers_.find(value);
  return found == writers_.end() ? nullptr : &specs_[found->second];
}

const OpSpec* Graph::writer(const std::string& value, const char* kind) const {
  const OpSpec* spec = writer(value);
  return spec && spec->kind == kind ? spec : nullptr;
}

const std::vector<size_t>& Graph::readers(const std::string& value) const { return readers_.at(value); }

bool Graph::apply() {
  if (replaced_.empty() && redirected_.empty()) return false;
  std::vector<OpSpec> next;
  for (size_t i = 0; i < specs_.size(); ++i) {
    const auto found = replaced_.find(i);
    if (found == replaced_.end()) {
      next.push_back(std::move(specs_[i]));
    } else {
      for (OpSpec& spec : found->second) next.push_back(std::move(spec));
    }
  }
  for (OpSpec& spec : next) {
    for (std::string& input : spec.inputs) {
      for (auto found = redirected_.find(input); found != redirected_.end(); found = redirected_.find(input)) input = found->second;
    }
  }
  std::set<std::string> wanted{next.front().output, next.back().output};
  specs_.clear();
  for (size_t i = next.size(); i-- > 0;) {
    if (!wanted.contains(next[i].output)) continue;
    wanted.insert(next[i].inputs.begin(), next[i].inputs.end());
    specs_.push_back(std::move(next[i]));
  }
  std::reverse(specs_.begin(), specs_.end());
  index();
  return true;
}

void Graph::remark(const std::string& pattern, const std::string& name, const std::string& reason) {
  const bool said = std::any_of(remarks_.begin(), remarks_.end(), [&](const Remark& one) { return one.pattern == pattern && one.name == name; });
  if (!said) remarks_.push_back({pattern, name, reason});
}

OpSpec make_spec(const char* kind, const std::string& name, std::vector<std::string> inputs, const std::string& output, std::map<std::string, Attr> attrs) {
  OpSpec spec;
  spec.kind = kind, spec.name = name, spec.output = output, spec.inputs = std::move(inputs), spec.attrs = std::move(attrs);
  return spec;
}

std::vector<std::string> parts_of(const std::vector<const OpSpec*>& specs) {
  std::vector<std::string> parts;
  for (const OpSpec* spec : specs) {
    if (!spec) continue;
    if (spec->parts.empty()) {
      parts.push_back(spec->name);
    } else {
      parts.insert(parts.end(), spec->parts.begin(), spec->parts.end());
    }
  }
  return parts;
}

}  // namespace intaglio
