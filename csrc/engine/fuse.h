// Sums that a convolution can make while it writes: `add` right behind a `conv2d` becomes the convolution's second input.
#pragma once

#include <vector>

#include "engine/spec.h"

namespace intaglio {

// The same program, bit for bit, with fewer passes over maps: a convolution whose result only the next operation reads, which adds it to another map,
// takes that map as a second input and may write over it. Left as they are: convolutions with an activation, which comes before the sum.
std::vector<OpSpec> fuse_sums(std::vector<OpSpec> specs);

}  // namespace intaglio
