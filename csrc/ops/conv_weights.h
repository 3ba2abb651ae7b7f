// Weights of a convolution in the order of the register tiles (kernels/conv_args.h), and the constants of equation (5).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/spec.h"
#include "kernels/conv_args.h"

namespace intaglio {

// weight: (out, in, kernel, kernel). One float a word.
std::vector<float> pack_float_weights(const ConvGeometry& geometry, const std::vector<float>& weight);

struct PackedCodes {
  std::vector<int32_t> words;                  // four signed codes a word
  std::vector<float> scale, of_sum, constant;  // of equation (5), one for each output channel
  bool wide = false;
};

// codes: (out, in, kernel, kernel). Codes of 8 bits are shifted by 128 to be signed, and so are their grids.
PackedCodes pack_code_weights(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, const std::vector<Grid>& grids, const Grid& input,
                              const std::vector<float>& bias);

}  // namespace intaglio
