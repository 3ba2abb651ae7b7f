// Arguments of dot_tile: the integer product on its own, for tests and benchmarks of the arithmetic.
#pragma once

#include <cstdint>

namespace intaglio {

// sums[n * lanes + lane] = sum over k < 4 * groups of u8(activations, lane, k) * s8(weights, n, k).
// activations: [groups][lanes][4] bytes; weights: [outputs][groups][4] bytes; `lanes` is that of the instruction set.
struct DotTileArgs {
  const uint8_t* activations;
  const int8_t* weights;
  int32_t* sums;
  int groups;
  int outputs;
  bool wide;  // the pair sums may exceed 16 bits: 8-bit codes on both sides
};

}  // namespace intaglio
