// Counts and sums of values in equal bins: all that a bound search needs to know of a tensor.
#pragma once

#include <cstdint>

namespace intaglio::training {

// Values of one bin: their sum, and how many there are (exact up to 2^53).
struct Bin {
  double sum;
  double count;
};

// Equal bins of width 1 / inverse; bin i holds the values v with floor(v * inverse) - first == i. `inverse` is a power of two, so that a value on an
// edge always goes to the bin above it.
struct Bins {
  float inverse;
  float first;
  int64_t size;
};

// Adds each of x to its bin; returns how many are exactly zero. A value outside, or NaN, goes to the bin at that end, or to the first.
int64_t tally(const float* x, int64_t begin, int64_t end, const Bins& bins, Bin* into);

}  // namespace intaglio::training
