#include "reader/json.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <set>

#include "engine/error.h"
#include "engine/limits.h"

namespace intaglio {
namespace {

constexpr int64_t most_digits = 4300;  // of an integer, as Python reads it

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& text, uint32_t code) {
  const auto put = [&](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
  if (code < 0x10000) return put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
  put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
}

#if defined(__cpp_lib_to_chars)
// The number that is too large or too small for from_chars: infinity or zero, by the place of its first digit that is not zero.
double beyond_range(std::string_view token) {
  const bool negative = token.front() == '-';
  if (negative) token.remove_prefix(1);
  const size_t exponent_at = token.find_first_of("eE");
  const std::string_view mantissa = token.substr(0, exponent_at);
  double place = static_cast<double>(std::min(mantissa.find('.'), mantissa.size()));
  const size_t first = mantissa.find_first_not_of("0.");
  if (first != std::string_view::npos) place -= static_cast<double>(first);
  if (exponent_at != std::string_view::npos) {
    const char* digits = token.data() + exponent_at + 1;
    int64_t exponent = 0;
    const bool down = *digits == '-';
    if (std::from_chars(digits + (*digits == '+'), token.data() + token.size(), exponent).ec != std::errc()) exponent = down ? INT64_MIN : INT64_MAX;
    place += static_cast<double>(exponent);
  }
  const double value = place > 0.0 ? std::numeric_limits<double>::infinity() : 0.0;
  return negative ? -value : value;
}

// Not strtod, which reads a comma where the program that holds us has set such a locale.
double real_of(std::string_view token) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  return error == std::errc() ? value : beyond_range(token);
}
#else
double real_of(std::string_view token) { return std::strtod(std::string(token).c_str(), nullptr); }
#endif

class Parser {
 public:
  Parser(std::string_view text, const char* what) : at_(text.data()), end_(text.data() + text.size()), what_(what) {}

  Json all() {
    Json result = value(0);
    skip();
    if (at_ != end_) refuse("has more after its end");
    return result;
  }

 private:
  [[noreturn]] void refuse(const char* why) const { throw Error(std::string(what_) + " is no JSON (" + why + "); fetch the file again or quantize anew"); }

  void skip() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_;
  }
  bool take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (static_cast<size_t>(end_ - at_) < word.size() || std::string_view(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Json value(int64_t depth) {
    skip();
    if (at_ == end_) refuse("it ends early");
    if (*at_ == '"') return Json(string());
    if (*at_ == '{' || *at_ == '[') {
      if (depth == limits::max_depth) refuse("nested too deeply");
      return *at_ == '{' ? object(depth + 1) : array(depth + 1);
    }
    if (*at_ == '-' || is_digit(*at_)) return number();
    if (take_word("true")) return Json(true);
    if (take_word("false")) return Json(false);
    if (take_word("null")) return Json();
    refuse("a value is expected");
  }

  Json array(int64_t depth) {
    ++at_;
    Json::Items items;
    skip();
    if (take(']')) return Json(std::move(items));
    do items.push_back(value(depth));
    while (more(']'));
    return Json(std::move(items));
  }

  Json object(int64_t depth) {
    ++at_;
    Json::Members members;
    skip();
    if (take('}')) return Json(std::move(members));
    do {
      skip();
      if (at_ == end_ || *at_ != '"') refuse("a key is expected");
      std::string key = string();
      skip();
      if (!take(':')) refuse("a colon is expected");
      members.emplace_back(std::move(key), value(depth));
    } while (more('}'));
    std::set<std::string_view> keys;
    for (const auto& member : members) keys.insert(member.first);
    if (keys.size() != members.size()) refuse("a key occurs twice");
    return Json(std::move(members));
  }

  // Whether another entry follows.
  bool more(char close) {
    skip();
    if (take(close)) return false;
    if (!take(',')) refuse("a comma is expected");
    return true;
  }

  Json number() {
    const char* first = at_;
    take('-');
    const char* digits = at_;
    if (!take('0')) {
      if (at_ == end_ || !is_digit(*at_)) refuse("a digit is expected");
      run_of_digits();
    }
    const int64_t count = at_ - digits;
    bool real = false;
    if (take('.')) real = true, run_of_digits();
    if (take('e') || take('E')) {
      real = true;
      if (!take('+')) take('-');
      run_of_digits();
    }
    const std::string_view token(first, static_cast<size_t>(at_ - first));
    if (real) return Json(real_of(token));
    if (count > most_digits) refuse("an integer of thousands of digits");
    int64_t whole = 0;
    const auto error = std::from_chars(first, at_, whole).ec;
    return Json(error == std::errc() ? whole : *first == '-' ? INT64_MIN : INT64_MAX);
  }
  void run_of_digits() {
    if (at_ == end_ || !is_digit(*at_)) refuse("a digit is expected");
    while (at_ != end_ && is_digit(*at_)) ++at_;
  }

  std::string string() {
    ++at_;
    std::string text;
    while (at_ != end_ && *at_ != '"') {
      const char* run = at_;
      while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<uint8_t>(*at_) >= 0x20) ++at_;
      text.append(run, at_);
      if (at_ == end_) break;
      if (static_cast<uint8_t>(*at_) < 0x20) refuse("a control character in a string");
      if (*at_ == '\\') escape(text);
    }
    if (!take('"')) refuse("a string without end");
    return text;
  }

  void escape(std::string& text) {
    ++at_;
    static constexpr char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (take('u')) {
      uint32_t code = unit();
      if (code >= 0xd800 && code < 0xdc00 && take_word("\\u")) {
        const uint32_t low = unit();
        if (low >= 0xdc00 && low < 0xe000) {
          code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
        } else {
          at_ -= 6;  // two by themselves
        }
      }
      return append_utf8(text, code);
    }
    const char* letter = at_ != end_ && *at_ ? std::strchr(letters, *at_) : nullptr;
    if (!letter) refuse("an unknown escape");
    text.push_back(meanings[letter - letters]);
    ++at_;
  }
  uint32_t unit() {
    uint32_t code = 0;
    if (end_ - at_ < 4) refuse("an escape without end");
    const auto [stop, error] = std::from_chars(at_, at_ + 4, code, 16);
    if (error != std::errc() || stop != at_ + 4) refuse("four digits are expected in an escape");
    at_ += 4;
    return code;
  }

  const char* at_;
  const char* end_;
  const char* what_;
};

}  // namespace

const Json* Json::find(std::string_view key) const {
  const Members* all = members();
  if (!all) return nullptr;
  for (const auto& [name, value] : *all) {
    if (name == key) return &value;
  }
  return nullptr;
}

Json parse_json(std::string_view text, const char* what) { return Parser(text, what).all(); }

}  // namespace intaglio
