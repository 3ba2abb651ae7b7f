// The activation of an operation, read from its spec.
#pragma once

#include <string>
#include <vector>

#include "engine/spec.h"
#include "kernels/activation_args.h"

namespace intaglio {

struct ActivationSpec {
  Activation act = Activation::none;
  std::vector<float> slopes;  // of prelu, one for each channel; of all others, one

  // Whether the kernels have a function of this name.
  static bool knows(const std::string& function);
  // From the attributes `function` and `slope`, and the tensor of prelu's slopes, of which there may be one for all channels.
  static ActivationSpec read(const OpSpec& spec, const std::string& slopes);

  bool fits(int64_t channels) const { return slopes.size() == 1 || slopes.size() == static_cast<size_t>(channels); }
  float slope(int64_t channel) const { return slopes[slopes.size() > 1 ? static_cast<size_t>(channel) : 0]; }
};

}  // namespace intaglio
