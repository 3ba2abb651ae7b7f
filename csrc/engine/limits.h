// The limits of the format as constants; rows of limits.inc are made from the definitions of the operations.
#pragma once

#include <cstdint>

namespace intaglio::limits {

#define LIMIT(name, value) inline constexpr int64_t name = value;
#include "engine/limits.inc"

}  // namespace intaglio::limits
