// Where every value of a program lives in one arena: buffers are reused as soon as their value is dead.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/map.h"

namespace intaglio {

// A value of the program: written by op `born`, last read by op `dies`.
struct Lifetime {
  size_t bytes = 0;
  int born = 0;
  int dies = 0;
};

struct Placement {
  std::vector<size_t> offsets;  // one for each lifetime
  size_t bytes = 0;             // size of the arena
};

// First fit, larger values first; two values share bytes only if their lifetimes do not touch. Offsets are multiples of 64.
Placement place(const std::vector<Lifetime>& values);

}  // namespace intaglio
