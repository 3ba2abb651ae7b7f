// The activation of an operation, read from its spec.
#pragma once

#include <vector>

#include "engine/spec.h"
#include "kernels/activation_args.h"

namespace intaglio {

struct ActivationSpec {
  Activation act = Activation::none;
  std::vector<float> slopes;  // one for each channel; zeros where the function has no slope

  // From the attributes `act` and `slope`, and the tensor `prelu`, which has one slope for each of `channels`.
  static ActivationSpec read(const OpSpec& spec, int64_t channels);
};

}  // namespace intaglio
