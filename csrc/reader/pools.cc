#include "reader/pools.h"

#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "engine/limits.h"

namespace intaglio {
namespace {

struct Type {
  std::string_view name, pool;
  size_t size;
};
constexpr Type types[] = {
#define POOL(...) {__VA_ARGS__},
#include "engine/limits.inc"
};

template <class T>
T number_at(std::string_view bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

// Half precision: 10 bits of mantissa, exponents from -14 to 15, subnormal numbers below.
float from_half(uint16_t half) {
  const float sign = half & 0x8000 ? -1.0f : 1.0f;
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
  return sign * (exponent ? std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25) : std::ldexp(static_cast<float>(mantissa), -24));
}

// How many numbers; -1 if more than a file can hold.
int64_t count_of(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (int64_t length : shape) {
    if (length == 0) return 0;
  }
  for (int64_t length : shape) {
    if (count > limits::max_count / length) return -1;
    count *= length;
  }
  return count;
}

std::vector<uint8_t> unpack(std::string_view bytes, size_t count, size_t bits, const std::string& where) {
  const size_t used = count * bits % 8;
  if (used && static_cast<uint8_t>(bytes.back()) >> used) throw Error(where + ": bits behind the last code are set; the file is damaged, fetch it again");
  std::vector<uint8_t> codes(count);
  size_t at = 0;
  for (uint8_t& code : codes) {
    uint32_t window = static_cast<uint8_t>(bytes[at / 8]);
    if (at % 8 + bits > 8) window |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[at / 8 + 1])) << 8;
    code = static_cast<uint8_t>(window >> (at % 8) & ((1u << bits) - 1));
    at += bits;
  }
  return codes;
}

}  // namespace

Pools::Pools(const Container& container) {
  for (const Type& type : types) {
    const auto found = container.arrays.find(std::string(type.pool));
    if (found == container.arrays.end()) continue;
    const StoredArray& array = found->second;
    if (array.type != type.name || array.shape.size() != 1) throw Error("the pool '" + std::string(type.pool) + "' is no row of its type; fetch the file again");
    pools_.push_back({array.type, array.bytes, type.size, 0});
  }
}

void Pools::take(OpSpec& spec, const std::string& role, const std::string& type, std::vector<int64_t> shape, int bits) {
  const std::string where = "tensor '" + role + "' of operation '" + spec.name + "'";
  if ((type == "U8") != (bits != 0)) throw Error(where + " is stored as " + type + "; quantize the model again");
  const int64_t count = count_of(shape);
  Pool none{type, {}, 1, 0};
  Pool* pool = &none;
  for (Pool& one : pools_) {
    if (one.type == type) pool = &one;
  }
  const int64_t length = bits ? (count * bits + 7) / 8 : count;
  if (count < 0 || length > static_cast<int64_t>(pool->bytes.size() / pool->item - pool->read)) {
    throw Error("the file ends before " + where + "; fetch it again or quantize anew");
  }
  const std::string_view bytes = pool->bytes.substr(pool->read * pool->item, static_cast<size_t>(length) * pool->item);
  pool->read += static_cast<size_t>(length);
  const auto numbers = static_cast<size_t>(count);
  if (bits) {
    spec.codes[role] = {std::move(shape), unpack(bytes, numbers, static_cast<size_t>(bits), where)};
  } else if (type == "I32") {
    IndexTensor& tensor = spec.indices[role] = {std::move(shape), std::vector<int32_t>(numbers)};
    for (size_t i = 0; i < numbers; ++i) tensor.values[i] = number_at<int32_t>(bytes, i);
  } else {
    FloatTensor& tensor = spec.floats[role] = {std::move(shape), std::vector<float>(numbers)};
    for (size_t i = 0; i < numbers; ++i) tensor.values[i] = type == "F16" ? from_half(number_at<uint16_t>(bytes, i)) : number_at<float>(bytes, i);
  }
}

void Pools::finish() const {
  for (const Pool& pool : pools_) {
    if (pool.read * pool.item < pool.bytes.size() || pool.bytes.empty()) {
      throw Error("no operation uses the end of the tensors of type " + pool.type + "; fetch the file again or quantize anew");
    }
  }
}

GridRows::GridRows(const Container& container) {
  const auto found = container.arrays.find("grids");
  if (found == container.arrays.end()) throw Error("the file lacks the tensor 'grids'; fetch it again or quantize anew");
  const StoredArray& array = found->second;
  if (array.type != "F32" || array.shape.size() != 2 || array.shape[1] != 2) throw Error("the grids are no rows of two numbers; quantize the model again");
  bytes_ = array.bytes, rows_ = array.shape[0];
  for (size_t i = 0; i < bytes_.size() / sizeof(float); ++i) {
    if (!std::isfinite(number_at<float>(bytes_, i))) throw Error("the grids hold NaN or infinite values; quantize the model again");
  }
}

std::vector<Grid> GridRows::take(int64_t start, int64_t count, int64_t bits, const std::vector<Piece>& pieces) {
  if (bits < limits::min_bits || bits > limits::max_bits) throw Error("codes of " + std::to_string(bits) + " bits, expected 2 to 8; quantize with such a width");
  if (count < 1 || start + count > rows_) throw Error("the grids of a site leave those of the file; quantize the model again");
  spans_.insert({start, count});
  std::vector<Grid> grids;
  for (int64_t row = start; row < start + count; ++row) {
    const auto at = static_cast<size_t>(2 * row);
    grids.push_back({number_at<float>(bytes_, at), number_at<float>(bytes_, at + 1), static_cast<int>(bits), pieces});
  }
  return grids;
}

void GridRows::finish() const {
  int64_t end = 0;
  for (const auto& [start, count] : spans_) {
    if (start != end) throw Error("grids of sites overlap, or belong to none; fetch the file again or quantize anew");
    end = start + count;
  }
  if (end != rows_) throw Error("some of the grids belong to no site; fetch the file again or quantize anew");
}

}  // namespace intaglio
