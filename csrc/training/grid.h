// The grid of one pair of bounds, docs/numerics.md (1)-(3), and the gradients of the two. No intrinsics here.
#pragma once

namespace intaglio::training {

struct Grid {
  float lower;
  float upper;
  int bits;
};

struct GridConstants {
  float lower, upper, step, inverse, top;
};

struct BoundGradients {
  double lower;
  double upper;
};

GridConstants constants(const Grid& grid);

}  // namespace intaglio::training
