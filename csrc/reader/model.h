// A packed model (docs/format.md) from bytes that nobody trusts: the same files are refused as by intaglio.packed.format.load.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/spec.h"

namespace intaglio {

struct Model {
  std::vector<OpSpec> specs;
  int64_t scale = 1;
  int64_t multiple = 1;  // to which sides of a picture are padded
  std::string architecture, coverage;
};

// Guarantee: the program runs on every picture that is not too small for it. Throws Error (remedy in its text); std::bad_alloc where memory ends.
Model read_model(std::string_view file);

}  // namespace intaglio
