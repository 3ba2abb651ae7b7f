// JSON as the format allows it (RFC 8259, and stricter): UTF-8, no key twice, no NaN, nesting to a bound. Untrusted input.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace intaglio {

class Json {
 public:
  using Members = std::vector<std::pair<std::string, Json>>;
  using Items = std::vector<Json>;

  Json() = default;
  explicit Json(bool truth) : value_(truth) {}
  explicit Json(int64_t whole) : value_(whole) {}
  explicit Json(double real) : value_(real) {}
  explicit Json(std::string text) : value_(std::make_unique<std::string>(std::move(text))) {}
  explicit Json(Items items) : value_(std::make_unique<Items>(std::move(items))) {}
  explicit Json(Members members) : value_(std::make_unique<Members>(std::move(members))) {}

  // What the value is, or null where it is of another type. `1` is whole and not real, `1.0` real and not whole. An integer beyond 64 bits is the
  // largest or smallest of them: every bound of the format lies within.
  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  const int64_t* whole() const { return std::get_if<int64_t>(&value_); }
  const double* real() const { return std::get_if<double>(&value_); }
  const std::string* text() const { return held<std::string>(); }
  const Items* items() const { return held<Items>(); }
  const Members* members() const { return held<Members>(); }
  // The member of an object, or null.
  const Json* find(std::string_view key) const;

 private:
  template <class T>
  const T* held() const {
    const auto* pointer = std::get_if<std::unique_ptr<T>>(&value_);
    return pointer ? pointer->get() : nullptr;
  }
  // Large alternatives lie elsewhere: a hostile file may be a list of millions of zeros.
  std::variant<std::monostate, bool, int64_t, double, std::unique_ptr<std::string>, std::unique_ptr<Items>, std::unique_ptr<Members>> value_;
};

// The value of a text; `what` names it in the message. Strings may hold lone surrogates, as three bytes each, as Python's do. Throws Error.
Json parse_json(std::string_view text, const char* what);

// Whether a text is UTF-8; with lone surrogates, where they are allowed. `each` is called with every code point.
template <class Each>
bool each_code_point(std::string_view text, bool surrogates, Each each) {
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<uint8_t>(text[at]);
    const int more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : -1;
    if (more < 0 || at + static_cast<size_t>(more) >= text.size()) return false;
    uint32_t code = more == 0 ? first : first & (0x3fu >> more);
    for (int i = 1; i <= more; ++i) {
      const auto next = static_cast<uint8_t>(text[at + static_cast<size_t>(i)]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3fu);
    }
    const bool shortest = more < 2 || code >= (more == 2 ? 0x800u : 0x10000u);
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    if (!shortest || code > 0x10ffff || (surrogate && !surrogates)) return false;
    each(code);
    at += static_cast<size_t>(more) + 1;
  }
  return true;
}

}  // namespace intaglio
