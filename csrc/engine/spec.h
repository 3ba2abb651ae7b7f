// One operation as it comes from outside: untrusted. The accessors check presence, type, shape and range, and throw Error.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/size.h"

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

template <class T>
struct TensorOf {
  std::vector<int64_t> shape;
  std::vector<T> values;
};
using FloatTensor = TensorOf<float>;
using CodeTensor = TensorOf<uint8_t>;
using IndexTensor = TensorOf<int32_t>;

// A single length is a list of one.
using Attr = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>, std::vector<Extent>>;

class Op;

struct OpSpec {
  std::string kind, name, output;
  std::vector<std::string> inputs;
  std::map<std::string, Attr> attrs;
  std::map<std::string, FloatTensor> floats;
  std::map<std::string, CodeTensor> codes;
  std::map<std::string, std::vector<Grid>> sites;
  std::map<std::string, IndexTensor> indices = {};
  std::vector<std::string> parts = {};  // names of the operations that a fused one stands for
  std::shared_ptr<const Op> made = nullptr;  // where fusion had to make the operation to know whether it can

  // Attributes. `integer` also checks low <= value <= high; lists have `count` entries, or any number if that is 0.
  int64_t integer(const std::string& role, int64_t low, int64_t high) const;
  float number(const std::string& role) const;
  const std::string& text(const std::string& role) const;
  std::vector<int64_t> integers(const std::string& role, size_t count = 0) const;
  std::vector<float> numbers(const std::string& role, size_t count = 0) const;
  const std::vector<double>& reals(const std::string& role) const;
  const std::vector<Extent>& extents(const std::string& role) const;

  bool has_floats(const std::string& role) const { return floats.contains(role); }
  bool has_codes(const std::string& role) const { return codes.contains(role); }

  // Float tensor of exactly this shape; every value is finite.
  const std::vector<float>& tensor(const std::string& role, const std::vector<int64_t>& shape) const;
  // The same, or zeros if there is none.
  std::vector<float> tensor_or_zeros(const std::string& role, int64_t count) const;
  // The shape of a tensor: floats, or codes where there are such.
  const std::vector<int64_t>& shape_of(const std::string& role) const;
  // Codes of exactly this shape; every code lies on the grid of `site`.
  const std::vector<uint8_t>& code_tensor(const std::string& role, const std::string& site, const std::vector<int64_t>& shape) const;
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
