// AVX-512 with VNNI and the pair-wise dot product of BF16.
#pragma once

#include "simd/avx512vnni.h"

namespace intaglio::simd {

struct Avx512Bf16 : Avx512Vnni {
  static constexpr bool has_bf16 = true;

  // Lane i of the result holds bf16(low[i]) | bf16(high[i]) << 16, rounded half to even.
  static I pack2_bf16(F low, F high) {
    const __m512i a = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(low)));
    const __m512i b = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(high)));
    return _mm512_or_si512(a, _mm512_slli_epi32(b, 16));
  }
  // acc[i] + a.low[i] * b.low[i] + a.high[i] * b.high[i], accumulated in float32.
  static F dot2_bf16(F acc, I a, I b) { return _mm512_dpbf16_ps(acc, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b)); }
};

}  // namespace intaglio::simd
