// The definitions of operations as tables; rows of limits.inc are made from the Python definitions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace intaglio::definitions {

enum Form { int_, float_, str_, ints_, floats_, size_, sizes_, weight_, indices_ };

struct OpRow {
  std::string_view kind;
  size_t fewest, most;
};
struct AttrRow {
  std::string_view kind, name;
  Form form;
  double least, greatest;
  size_t fewest, most;
  std::string_view words;
};
struct TensorRow {
  std::string_view kind, role;
  Form type;
  int axes;
  bool optional;
  std::string_view decides, word;
};
struct DimRow {
  std::string_view kind, role;
  int axis;
  int64_t most;
};
struct SiteRow {
  std::string_view kind, role;
};

inline constexpr OpRow ops[] = {
#define OP(...) {__VA_ARGS__},
#include "engine/limits.inc"
};
inline constexpr AttrRow attrs[] = {
#define ATTR(...) {__VA_ARGS__},
#include "engine/limits.inc"
};
inline constexpr TensorRow tensors[] = {
#define TENSOR(...) {__VA_ARGS__},
#include "engine/limits.inc"
};
inline constexpr DimRow dims[] = {
#define DIM(...) {__VA_ARGS__},
#include "engine/limits.inc"
};
inline constexpr SiteRow sites[] = {
#define SITE(...) {__VA_ARGS__},
#include "engine/limits.inc"
};

}  // namespace intaglio::definitions
