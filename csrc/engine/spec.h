// One operation as it comes from outside: untrusted. The accessors check presence, type, shape and range, and throw Error.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace intaglio {

// Codes that a grid uses: `steps` steps of `stride` codes.
struct Piece {
  int stride = 1, steps = 1;
  bool operator==(const Piece&) const = default;
};

// The affine grid: value = lower + step * code, code in [0, 2^bits), of which pieces, one after the other from code 0, use some.
// docs/numerics.md, equations 1-3.
struct Grid {
  float lower = 0.0f;
  float step = 1.0f;
  int bits = 8;
  std::vector<Piece> pieces = {};
  // The largest code.
  int top() const;
  // The single-precision reciprocal that turns values into codes.
  float inverse() const { return 1.0f / step; }
  bool operator==(const Grid&) const = default;
};

struct FloatTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

struct CodeTensor {
  std::vector<int64_t> shape;
  std::vector<uint8_t> values;
};

using Attr = std::variant<int64_t, double, std::string, std::vector<double>>;

struct OpSpec {
  std::string kind, name, output;
  std::vector<std::string> inputs;
  std::map<std::string, Attr> attrs;
  std::map<std::string, FloatTensor> floats;
  std::map<std::string, CodeTensor> codes;
  std::map<std::string, std::vector<Grid>> sites;

  // Attributes. `integer` also checks low <= value <= high.
  int64_t integer(const std::string& role, int64_t low, int64_t high) const;
  float number(const std::string& role) const;
  const std::string& text(const std::string& role) const;
  std::vector<float> numbers(const std::string& role, size_t count) const;

  bool has_floats(const std::string& role) const { return floats.contains(role); }
  bool has_codes(const std::string& role) const { return codes.contains(role); }

  // Float tensor of exactly this shape; every value is finite.
  const std::vector<float>& tensor(const std::string& role, std::initializer_list<int64_t> shape) const;
  // Codes of exactly this shape; every code lies on the grid of site `<part>.weight`.
  const std::vector<uint8_t>& code_tensor(const std::string& part, std::initializer_list<int64_t> shape) const;
  // The grid of an activation.
  Grid grid(const std::string& role) const;
  // The grids of a weight, one for each of `channels` outputs (a single one is repeated).
  std::vector<Grid> channel_grids(const std::string& role, int64_t channels) const;

  [[noreturn]] void refuse(const std::string& what) const;

 private:
  const Attr& attr(const std::string& role) const;
  const std::vector<Grid>& site(const std::string& role) const;
};

}  // namespace intaglio
