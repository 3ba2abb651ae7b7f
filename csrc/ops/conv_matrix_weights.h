// Weights of a convolution in the order of the matrix registers (kernels/conv_args.h).
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv_args.h"
#include "ops/aligned.h"

namespace intaglio {

// Groups of channels, a multiple of 16, when a word holds `channels_per_word`.
int matrix_groups(const ConvGeometry& geometry, int channels_per_word);

// weight: (out, in, kernel, kernel); each float as two bfloat16, head and rest.
AlignedVector<int32_t> pack_split_matrices(const ConvGeometry& geometry, const std::vector<float>& weight);

// codes: (out, in, kernel, kernel), from which `shift` is subtracted to make them signed bytes.
AlignedVector<int32_t> pack_code_matrices(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, int shift);

}  // namespace intaglio
