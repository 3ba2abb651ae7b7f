// A program while operations are fused: who writes a value, who reads it, what its shape is in terms of the picture, and what became of attempts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/spec.h"

namespace intaglio {

// Why something was not fused: the pattern, the operation at which it was tried, the reason.
struct Remark {
  std::string pattern, name, reason;
};

// Lengths as sizes; what is no polynomial of the picture's sides is a size that equals no other.
using SymbolicShape = std::vector<Extent>;

class Graph {
 public:
  explicit Graph(std::vector<OpSpec> specs);

  size_t size() const { return specs_.size(); }
  const OpSpec& at(size_t index) const { return specs_[index]; }
  // Who writes a value; the same, if it is of this kind; null if not.
  const OpSpec* writer(const std::string& value) const;
  const OpSpec* writer(const std::string& value, const char* kind) const;
  // Indices of the operations that read a value, once for each reading.
  const std::vector<size_t>& readers(const std::string& value) const;
  bool read_once(const std::string& value) const { return readers(value).size() == 1; }
  const SymbolicShape& shape(const std::string& value) const { return shapes_.at(value); }

  // Changes take effect with `apply`: other operations stand at that place, of which the last writes the value of the one that goes; readers of
  // `value` read `other`, which is written earlier.
  void replace(size_t index, std::vector<OpSpec> with) { replaced_[index] = std::move(with); }
  void redirect(const std::string& value, const std::string& other) { redirected_[value] = other; }
  bool is_replaced(size_t index) const { return replaced_.contains(index); }
  // False if there was nothing to change. Operations whose values nobody reads go.
  bool apply();
  // A name that no value of the program has.
  std::string fresh() { return "\n" + std::to_string(names_++); }

  // Said once, however often it is tried.
  void remark(const std::string& pattern, const std::string& name, const std::string& reason);

  std::vector<OpSpec> take_specs() { return std::move(specs_); }
  std::vector<Remark> take_remarks() { return std::move(remarks_); }

 private:
  void index();

  std::vector<OpSpec> specs_;
  std::map<std::string, size_t> writers_;
  std::map<std::string, std::vector<size_t>> readers_;
  std::map<std::string, SymbolicShape> shapes_;
  std::map<size_t, std::vector<OpSpec>> replaced_;
  std::map<std::string, std::string> redirected_;
  std::vector<Remark> remarks_;
  size_t names_ = 0;
};

// The shape of an operation's value from those of its inputs; `unknown` makes a length that equals no other.
SymbolicShape symbolic_shape(const OpSpec& spec, const std::vector<SymbolicShape>& in, int64_t& unknown);

// An operation in short.
OpSpec make_spec(const char* kind, const std::string& name, std::vector<std::string> inputs, const std::string& output, std::map<std::string, Attr> attrs = {});

// The names of the operations of the program that these stand for.
std::vector<std::string> parts_of(const std::vector<const OpSpec*>& specs);

}  // namespace intaglio
