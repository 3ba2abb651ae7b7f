#include "reader/records.h"

#include <algorithm>
#include <initializer_list>
#include <numeric>
#include <tuple>

#include "engine/definitions.h"
#include "engine/error.h"
#include "engine/limits.h"
#include "reader/pools.h"

namespace intaglio {
namespace {

using definitions::AttrRow;
using Items = Json::Items;

class Reader {
 public:
  explicit Reader(const Container& container) : pools_(container), grids_(container) {}

  Record record(size_t index, const Json& fields) {
    where_ = "operation " + std::to_string(index);
    if (!fields.members() || fields.members()->size() != 7) refuse("has not the seven members of an operation");
    Record result;
    OpSpec& spec = result.spec;
    spec.kind = text(fields.find("kind")), spec.name = text(fields.find("name")), spec.output = text(fields.find("out"));
    for (const Json& input : items(fields.find("in"))) spec.inputs.push_back(text(&input));
    for (const auto& [name, value] : members(fields.find("attrs"))) spec.attrs[name] = attribute(spec.kind, name, value);
    const std::vector<Site> sites = sites_of(spec.kind, items(fields.find("sites")));
    for (const auto& [role, form] : members(fields.find("tensors"))) tensor(spec, role, form, sites);
    for (const Site& site : sites) {
      give_grids(spec, site);
      result.site_names[site.role] = site.name;
    }
    return result;
  }

  void finish() const {
    pools_.finish();
    grids_.finish();
  }

 private:
  struct Site {
    std::string role, name;
    int64_t bits, start, count;
    std::vector<Piece> pieces;
  };

  [[noreturn]] void refuse(const std::string& what) const { throw Error(where_ + " " + what + "; quantize the model again"); }
  const std::string& text(const Json* value) const {
    if (!value || !value->text()) refuse("lacks a text, or has something else in its place");
    return *value->text();
  }
  const Items& items(const Json* value) const {
    if (!value || !value->items()) refuse("lacks a list, or has something else in its place");
    return *value->items();
  }
  const Json::Members& members(const Json* value) const {
    if (!value || !value->members()) refuse("lacks an object, or has something else in its place");
    return *value->members();
  }
  int64_t whole(const Json& value) const {
    if (!value.whole()) refuse("has something that is no integer");
    return *value.whole();
  }
  // An integer that counts something.
  int64_t count(const Json& value) const {
    const int64_t number = whole(value);
    if (number < 0 || number >= limits::max_count) refuse("has a number out of range");
    return number;
  }

  Attr attribute(const std::string& kind, const std::string& name, const Json& value) const {
    const auto* row = std::find_if(std::begin(definitions::attrs), std::end(definitions::attrs), [&](const AttrRow& one) { return one.kind == kind && one.name == name; });
    if (row == std::end(definitions::attrs)) refuse("has the attribute '" + name.substr(0, 40) + "', which its kind does not have");
    switch (row->form) {
      case definitions::int_: return whole(value);
      case definitions::float_: return real(value);
      case definitions::str_: return text(&value);
      case definitions::ints_: return list<int64_t>(value, [&](const Json& one) { return whole(one); });
      case definitions::floats_: return list<double>(value, [&](const Json& one) { return real(one); });
      case definitions::size_: return std::vector<Extent>{extent(value)};
      default: return list<Extent>(value, [&](const Json& one) { return extent(one); });
    }
  }
  double real(const Json& value) const {
    if (!value.real()) refuse("has something that is no number with a point");
    return *value.real();
  }
  template <class T, class One>
  std::vector<T> list(const Json& value, One one) const {
    std::vector<T> result;
    for (const Json& item : items(&value)) result.push_back(one(item));
    return result;
  }

  // A number, or terms in lowest terms that ascend in their powers, so that equal lengths are written equally.
  Extent extent(const Json& value) const {
    if (value.whole()) return Extent::of(*value.whole());
    Extent result;
    for (const Json& item : items(&value)) {
      const Items& numbers = items(&item);
      if (numbers.size() != 4 && numbers.size() != 6) refuse("has a length whose terms are not of four or six integers");
      const bool rounds = numbers.size() == 6;
      const int64_t num = whole(numbers[0]), den = whole(numbers[1]), a = whole(numbers[2]), b = whole(numbers[3]);
      const bool sound = num != 0 && num >= -limits::max_coefficient && num <= limits::max_coefficient && den >= 1 && den <= limits::max_coefficient && a >= 0 &&
                         a <= limits::max_degree && b >= 0 && b <= limits::max_degree && std::gcd(num, den) == 1;
      const int64_t p = rounds ? whole(numbers[4]) : 1, q = rounds ? whole(numbers[5]) : 1;
      const bool multiples = p >= 1 && p <= (a ? limits::max_multiple : 1) && q >= 1 && q <= (b ? limits::max_multiple : 1) && rounds == (p > 1 || q > 1);
      if (!sound || !multiples) refuse("has a length with a term out of range");
      const Term term{num, den, static_cast<int>(a), static_cast<int>(b), p, q};
      const auto key = [](const Term& one) { return std::tuple(one.a, one.b, one.p, one.q); };
      if (!result.terms.empty() && key(result.terms.back()) >= key(term)) refuse("has a length whose terms do not ascend");
      result.terms.push_back(term);
    }
    const bool constant = result.terms.size() == 1 && result.terms[0].a == 0 && result.terms[0].b == 0;
    if (result.terms.empty() || result.terms.size() > static_cast<size_t>(limits::max_terms) || constant) refuse("has a length of no terms, too many, or a constant as terms");
    return result;
  }

  std::vector<Site> sites_of(const std::string& kind, const Items& forms) const {
    std::vector<std::string> roles;
    for (const auto& row : definitions::sites) {
      if (row.kind == kind) roles.emplace_back(row.role);
    }
    if (!forms.empty() && forms.size() != roles.size()) refuse("has a wrong number of sites");
    std::vector<Site> sites;
    for (size_t i = 0; i < forms.size(); ++i) {
      const Items& form = items(&forms[i]);
      if (form.size() != 4 && form.size() != 5) refuse("has a site that is not [name, bits, start, count]");
      sites.push_back({roles[i], text(&form[0]), count(form[1]), count(form[2]), count(form[3]), {}});
      if (form.size() == 5) sites.back().pieces = pieces_of(items(&form[4]));
    }
    return sites;
  }
  std::vector<Piece> pieces_of(const Items& forms) const {
    std::vector<Piece> pieces;
    if (forms.empty() || forms.size() > static_cast<size_t>(limits::max_pieces)) refuse("has a site with too many pieces, or an empty list of them");
    for (const Json& form : forms) {
      const Items& pair = items(&form);
      if (pair.size() != 2) refuse("has a site with a piece that is not [stride, steps]");
      const int64_t stride = count(pair[0]), steps = count(pair[1]);
      if (stride > 255 || steps > 255) refuse("has a site with pieces beyond its codes");
      pieces.push_back({static_cast<int>(stride), static_cast<int>(steps)});
    }
    return pieces;
  }

  void tensor(OpSpec& spec, const std::string& role, const Json& value, const std::vector<Site>& sites) {
    const Items& form = items(&value);
    if (form.empty() || form.size() > static_cast<size_t>(limits::max_rank) + 1) refuse("has a tensor that is not [type, length, ...]");
    const std::string& type = text(&form[0]);
    if (type != "F32" && type != "F16" && type != "I32" && type != "U8") refuse("has a tensor of an unknown type");
    std::vector<int64_t> shape;
    for (size_t i = 1; i < form.size(); ++i) shape.push_back(count(form[i]));
    int bits = 0;
    if (constexpr std::string_view codes = ".codes"; role.size() >= codes.size() && role.compare(role.size() - codes.size(), codes.size(), codes) == 0) {
      const std::string of = role.substr(0, role.size() - codes.size());
      const auto site = std::find_if(sites.begin(), sites.end(), [&](const Site& one) { return one.role == of; });
      if (site == sites.end() || site->bits < limits::min_bits || site->bits > limits::max_bits) refuse("holds codes, but no site with their grid");
      bits = static_cast<int>(site->bits);
    }
    pools_.take(spec, role, type, std::move(shape), bits);
  }

  // Only as many as the tensor has outputs: sites may share rows, and a small file must not ask for many copies of many.
  void give_grids(OpSpec& spec, const Site& site) {
    const auto codes = spec.codes.find(site.role + ".codes");
    const bool fits = site.count == 1 || (codes != spec.codes.end() && !codes->second.shape.empty() && site.count == codes->second.shape[0] &&
                                          static_cast<size_t>(site.count) <= codes->second.values.size());
    if (!fits) refuse("has a site with a wrong number of grids");
    spec.sites[site.role] = grids_.take(site.start, site.count, site.bits, site.pieces);
  }

  Pools pools_;
  GridRows grids_;
  std::string where_;
};

}  // namespace

std::vector<Record> read_records(const Json& operations, const Container& container) {
  const Items* forms = operations.items();
  if (!forms || forms->size() > static_cast<size_t>(limits::max_ops)) throw Error("the program is no list of operations; quantize the model again");
  Reader reader(container);
  std::vector<Record> records;
  for (const Json& form : *forms) records.push_back(reader.record(records.size(), form));
  reader.finish();
  return records;
}

}  // namespace intaglio
