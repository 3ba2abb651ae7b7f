// The integer product of packed codes on its own; kernels that fuse more around it use V::dot4 directly.
#pragma once

#include <cstring>

#include "kernels/dot_args.h"

namespace intaglio::kernels {

template <class V>
inline int32_t word(const int8_t* four) {
  int32_t bits;
  __builtin_memcpy(&bits, four, sizeof bits);
  return bits;
}

template <class V, bool Wide>
void dot_tile_sums(const DotTileArgs& args) {
  for (int n = 0; n < args.outputs; ++n) {
    const int8_t* weights = args.weights + static_cast<int64_t>(n) * args.groups * 4;
    typename V::I acc = V::set_i(0);
    for (int k = 0; k < args.groups; ++k) {
      acc = V::template dot4<Wide>(acc, V::load_i(args.activations + static_cast<int64_t>(k) * V::lanes * 4), V::set_i(word<V>(weights + 4 * k)));
    }
    V::store_i(args.sums + static_cast<int64_t>(n) * V::lanes, acc);
  }
}

template <class V>
void dot_tile(const DotTileArgs& args) {
  if constexpr (V::needs_wide) {
    if (args.wide) return dot_tile_sums<V, true>(args);
  }
  dot_tile_sums<V, false>(args);
}

}  // namespace intaglio::kernels
