// Rows of a map.
#pragma once

#include <cstdint>

namespace intaglio {

// From `first` to before `last`.
struct Rows {
  int64_t first = 0, last = 0;
  int64_t count() const { return last - first; }
};

}  // namespace intaglio
