// Which convolutions have kernels of their own.
#pragma once

#include "engine/spec.h"

namespace intaglio {

// Whether a convolution runs on the register tiles of kernels/conv.h, and can read and write maps of codes: one group, square, undilated, zeros all round.
bool has_conv_kernel(const OpSpec& spec);

}  // namespace intaglio
