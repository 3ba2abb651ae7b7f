// One operation on given maps, without a program around it: for tests and benchmarks of single operations.
#pragma once

#include <vector>

#include "engine/map.h"
#include "engine/spec.h"

namespace intaglio {

// A map with its planes one after another, h * w floats each.
struct DenseMap {
  Shape shape;
  std::vector<float> values;
};

struct SingleRun {
  DenseMap output;
  double seconds;  // the fastest of `repeats` runs
};

// Throws Error if the spec is not sound, the maps do not fit, or the operation wrote beyond its output's planes.
SingleRun run_single(const OpSpec& spec, const std::string& isa, int threads, const std::vector<DenseMap>& inputs, int repeats);

}  // namespace intaglio
