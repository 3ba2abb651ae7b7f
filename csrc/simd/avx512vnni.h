// AVX-512 with the 4-way dot product of VNNI.
#pragma once

#include "simd/avx512.h"

namespace intaglio::simd {

struct Avx512Vnni : Avx512 {
  static constexpr bool needs_wide = false;
  static constexpr bool has_pairs = false;

  template <bool Wide>
  static I dot4(I acc, I u, I s) {
    return _mm512_dpbusd_epi32(acc, u, s);
  }
};

}  // namespace intaglio::simd
