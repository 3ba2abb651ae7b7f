// AVX2 with the 4-way dot product of AVX-VNNI.
#pragma once

#include "simd/avx2.h"

namespace intaglio::simd {

struct AvxVnni : Avx2 {
  static constexpr bool needs_wide = false;
  static constexpr bool has_pairs = false;

  template <bool Wide>
  static I dot4(I acc, I u, I s) {
    return _mm256_dpbusd_avx_epi32(acc, u, s);
  }
};

}  // namespace intaglio::simd
