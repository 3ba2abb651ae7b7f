#include "training/tally.h"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define INTAGLIO_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define INTAGLIO_CLONES
#endif

namespace intaglio::training {
namespace {

// Places are computed for this many values at a time, as vector code; adding is one after the other.
constexpr int64_t kRun = 64;

}  // namespace

INTAGLIO_CLONES
int64_t tally(const float* x, int64_t begin, int64_t end, const Bins& bins, Bin* into) {
  const float inverse = bins.inverse, first = bins.first, last = static_cast<float>(bins.size - 1);
  int32_t places[kRun];
  int64_t zeros = 0;
  for (int64_t start = begin; start < end; start += kRun) {
    const int64_t count = std::min(kRun, end - start);
    int32_t here = 0;
    for (int64_t i = 0; i < count; ++i) {
      here += x[start + i] == 0.0f ? 1 : 0;
      const float place = std::floor(x[start + i] * inverse) - first;
      const float inside = place > 0.0f ? place : 0.0f;  // NaN is not
      places[i] = static_cast<int32_t>(inside < last ? inside : last);
    }
    zeros += here;
    for (int64_t i = 0; i < count; ++i) {
      Bin& bin = into[places[i]];
      bin.sum += static_cast<double>(x[start + i]);
      bin.count += 1.0;
    }
  }
  return zeros;
}

}  // namespace intaglio::training
