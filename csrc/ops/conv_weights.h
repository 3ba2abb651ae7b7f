// Weights of a convolution in the order of the register tiles (kernels/conv_args.h), and the constants of equation (5).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/spec.h"
#include "kernels/conv_args.h"
#include "ops/aligned.h"

namespace intaglio {

// Index in a tensor (out, in, kernel, kernel) whose last two axes are one.
size_t weight_at(const ConvGeometry& geometry, int n, int c, int tap);

// The codes of channels 4 * group to 4 * group + 3, less `shift`, as signed bytes of a word; zero where there is no channel.
int32_t code_word(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, int n, int group, int tap, int shift);

// weight: (out, in, kernel, kernel). One float a word.
std::vector<float> pack_float_weights(const ConvGeometry& geometry, const std::vector<float>& weight);

// codes: (out, in, kernel, kernel). Four signed codes a word.
AlignedVector<int32_t> pack_code_weights(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, int shift);

// Weights of convolutions by patches (kernels/conv_winograd.h), of kernels of 3 x 3: floats, and pairs of the first and third, and of the second and
// fourth of four channels as 16-bit numbers, each four times what it stands for.
std::vector<float> pack_float_patches(const ConvGeometry& geometry, const std::vector<float>& weight);
AlignedVector<int32_t> pack_code_patches(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, int shift);

// The constants of equation (5), one for each output channel, where the weight's codes are shifted to be signed bytes.
struct CodeConstants {
  std::vector<float> scale, of_sum, constant;
  float apart;  // `shift` less the code nearest to zero
  int shift;  // what is subtracted from each weight code: half of all codes, so that sums are small
  bool wide;  // 2 * largest input code * largest |signed weight code| > 32767
  int pair_groups;  // of channels whose products fit 16 bits when they are added up in pairs; 0: too few to be worth it

  static CodeConstants of(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, const std::vector<Grid>& grids, const Grid& input,
                          const std::vector<float>& bias);
};

}  // namespace intaglio
