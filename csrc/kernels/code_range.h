// What becomes of a value in units of codes. No intrinsics here.
#pragma once

#include <cstdint>

namespace intaglio {

constexpr int most_pieces = 4;

// The codes that a grid of unevenly spaced levels uses, docs/numerics.md, equation 2b: piece i begins at code first[i] and takes steps[i] steps of
// stride[i] codes; each ends where the next begins. No pieces: all codes are used.
struct CodePieces {
  int count = 0;
  float first[most_pieces] = {}, stride[most_pieces] = {}, inverse[most_pieces] = {}, steps[most_pieces] = {};
};

struct CodeRange {
  int32_t top = 0;  // the largest code, the same in each of the 4 bytes
  CodePieces pieces;
};

// A grid as packing loops want it: code = clamp(rint((x - lower) * inverse), 0, top), equation (2), or that of its pieces.
struct CodeGrid {
  float lower, inverse, top;
  CodePieces pieces;
};

}  // namespace intaglio
