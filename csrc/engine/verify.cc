#include "engine/verify.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "engine/definitions.h"
#include "engine/error.h"
#include "engine/limits.h"

namespace intaglio {
namespace {

using namespace definitions;

bool among(std::string_view words, std::string_view word) {
  while (true) {
    const size_t end = words.find('|');
    if (words.substr(0, end) == word) return true;
    if (end == std::string_view::npos) return false;
    words.remove_prefix(end + 1);
  }
}

bool within(const AttrRow& row, double value) { return std::isfinite(value) && value >= row.least && value <= row.greatest; }

template <class T>
bool all_within(const AttrRow& row, const Attr& attr) {
  const auto* values = std::get_if<std::vector<T>>(&attr);
  return values && values->size() >= row.fewest && values->size() <= row.most &&
         std::all_of(values->begin(), values->end(), [&](T value) { return within(row, static_cast<double>(value)); });
}

bool sizes_within(const AttrRow& row, const Attr& attr) {
  const auto* values = std::get_if<std::vector<Extent>>(&attr);
  return values && values->size() >= row.fewest && values->size() <= row.most && std::all_of(values->begin(), values->end(), [&](const Extent& extent) {
           return extent.is_sound() && (!extent.is_constant() || within(row, static_cast<double>(extent.constant())));
         });
}

bool fits(const AttrRow& row, const Attr& attr) {
  switch (row.form) {
    case int_: return std::holds_alternative<int64_t>(attr) && within(row, static_cast<double>(std::get<int64_t>(attr)));
    case float_: return std::holds_alternative<double>(attr) && within(row, std::get<double>(attr));
    case str_: return std::holds_alternative<std::string>(attr) && among(row.words, std::get<std::string>(attr));
    case ints_: return all_within<int64_t>(row, attr);
    case floats_: return all_within<double>(row, attr);
    case size_:
    case sizes_: return sizes_within(row, attr);
    default: return false;
  }
}

void check_attrs(const OpSpec& spec) {
  size_t known = 0;
  for (const AttrRow& row : attrs) {
    if (row.kind != spec.kind) continue;
    const auto found = spec.attrs.find(std::string(row.name));
    if (found == spec.attrs.end()) spec.refuse("attribute '" + std::string(row.name) + "' is missing");
    if (!fits(row, found->second)) spec.refuse("attribute '" + std::string(row.name) + "' is out of range");
    ++known;
  }
  if (spec.attrs.size() != known) spec.refuse("has an attribute that its kind does not have");
}

bool wanted(const OpSpec& spec, const TensorRow& row) { return row.decides.empty() || spec.text(std::string(row.decides)) == row.word; }

template <class T>
bool sound_tensor(const OpSpec& spec, const TensorRow& row, const TensorOf<T>& tensor) {
  int64_t count = 1;
  for (int64_t length : tensor.shape) {
    if (length < 1 || __builtin_mul_overflow(count, length, &count)) return false;
  }
  if (tensor.shape.size() > static_cast<size_t>(limits::max_rank) || count != static_cast<int64_t>(tensor.values.size())) return false;
  if (row.axes >= 0 && tensor.shape.size() != static_cast<size_t>(row.axes)) return false;
  for (const DimRow& dim : dims) {
    if (dim.kind == spec.kind && dim.role == row.role && tensor.shape[static_cast<size_t>(dim.axis)] > dim.most) return false;
  }
  return true;
}

// The tensor of a row, where the operation has it; true if it has.
bool check_tensor(const OpSpec& spec, const TensorRow& row) {
  const std::string role(row.role), coded = role + ".codes";
  bool there = false, sound = true;
  if (row.type == weight_ && !spec.sites.empty()) {
    there = spec.codes.contains(coded);
    sound = !there || sound_tensor(spec, row, spec.codes.at(coded));
  } else if (row.type == indices_) {
    there = spec.indices.contains(role);
    sound = !there || sound_tensor(spec, row, spec.indices.at(role));
  } else {
    there = spec.floats.contains(role);
    sound = !there || (sound_tensor(spec, row, spec.floats.at(role)) &&
                       std::all_of(spec.floats.at(role).values.begin(), spec.floats.at(role).values.end(), [](float x) { return std::isfinite(x); }));
  }
  if (!sound) spec.refuse("tensor '" + role + "' has a shape or values out of range");
  if (there != wanted(spec, row) && !(row.optional && !there)) spec.refuse("tensor '" + role + "' is missing, or there where it has no use");
  return there;
}

// What fusion relies on before any operation is made; each operation checks the rest of what holds between its attributes.
void check_permutation(const OpSpec& spec) {
  if (spec.kind != "permute") return;
  std::vector<int64_t> axes = spec.integers("axes");
  std::sort(axes.begin(), axes.end());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] != static_cast<int64_t>(i)) spec.refuse("axes do not name each axis once");
  }
}

void check_sites(const OpSpec& spec) {
  if (spec.sites.empty()) return;
  size_t known = 0;
  for (const SiteRow& row : sites) {
    if (row.kind != spec.kind) continue;
    const std::string role(row.role);
    if (role == "weight") {
      spec.channel_grids(role, static_cast<int64_t>(spec.codes.at("weight.codes").shape[0]));
      spec.code_tensor("weight.codes", "weight", spec.codes.at("weight.codes").shape);
    } else {
      spec.grid(role);
    }
    ++known;
  }
  if (known != spec.sites.size()) spec.refuse("has a site that its kind does not have");
}

}  // namespace

void verify(const OpSpec& spec) {
  const auto* row = std::find_if(std::begin(ops), std::end(ops), [&](const OpRow& one) { return one.kind == spec.kind; });
  if (row == std::end(ops)) spec.refuse("is of a kind this engine does not know");
  if (spec.inputs.size() < row->fewest || spec.inputs.size() > row->most) spec.refuse("has " + std::to_string(spec.inputs.size()) + " inputs");
  check_attrs(spec);
  check_permutation(spec);
  size_t known = 0;
  for (const TensorRow& tensor : tensors) known += tensor.kind == spec.kind && check_tensor(spec, tensor);
  if (known != spec.floats.size() + spec.codes.size() + spec.indices.size()) spec.refuse("has a tensor that its kind does not have");
  check_sites(spec);
}

void verify(const std::vector<OpSpec>& specs) {
  if (specs.size() < 2 || specs.size() > static_cast<size_t>(limits::max_ops)) throw Error("a program has 2 to 50,000 operations; pack the model again");
  std::set<std::string_view> written;
  for (size_t i = 0; i < specs.size(); ++i) {
    const OpSpec& spec = specs[i];
    verify(spec);
    if ((spec.kind == "input") != (i == 0) || (spec.kind == "output") != (i + 1 == specs.size())) spec.refuse("'input' comes first and 'output' last, each once");
    for (const std::string& input : spec.inputs) {
      if (!written.contains(input)) spec.refuse("reads '" + input + "' before it is written");
    }
    if (!written.insert(spec.output).second) spec.refuse("writes '" + spec.output + "' a second time");
  }
}

}  // namespace intaglio
