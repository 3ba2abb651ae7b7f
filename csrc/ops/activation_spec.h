// The activation of an operation, read from its spec.
#pragma once

#include <vector>

#include "engine/spec.h"
#include "kernels/activation_args.h"

namespace intaglio {

struct ActivationSpec {
  Activation act = Activation::none;
  std::vector<float> slopes;  // of prelu, one for each channel; of all others, one

  // From the attributes `act` and `slope`, and the tensor `prelu`.
  static ActivationSpec read(const OpSpec& spec);

  bool fits(int64_t channels) const { return act != Activation::prelu || slopes.size() == static_cast<size_t>(channels); }
  float slope(int64_t channel) const { return slopes[act == Activation::prelu ? static_cast<size_t>(channel) : 0]; }
};

}  // namespace intaglio
