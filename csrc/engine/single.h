// One operation on given values, without a program around it: for tests and benchmarks of single operations.
#pragma once

#include <vector>

#include "engine/spec.h"
#include "engine/tensor.h"

namespace intaglio {

struct DenseTensor {
  Dims dims;
  std::vector<float> values;
};

struct SingleRun {
  DenseTensor output;
  double seconds;  // the fastest of `repeats` runs
};

// `h` and `w` are the sides of the padded picture. Throws Error if the spec is not sound, the values do not fit, or the operation wrote beyond its output.
SingleRun run_single(const OpSpec& spec, const std::string& isa, int threads, const std::vector<DenseTensor>& inputs, int64_t h, int64_t w, int repeats);

}  // namespace intaglio
