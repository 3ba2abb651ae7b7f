// AVX-512 F, BW, VL, DQ: 16 lanes. Meanings are in portable.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "simd/subnormals.h"

namespace intaglio::simd {

struct Avx512 {
  static constexpr int lanes = 16;
  static constexpr int accumulators = 12;     // products that fit into registers beside their operands
  static constexpr int tile_tokens = 4;       // vectors of tokens in one register tile of 4 outputs
  static constexpr bool needs_wide = true;
  static constexpr bool has_pairs = true;    // 16-bit sums of byte products are cheaper than dot4
  static constexpr bool has_tiles = false;
  using Guard = FlushSubnormals;  // held while a kernel computes exponentials
  using F = __m512;
  using I = __m512i;

  static F set(float x) { return _mm512_set1_ps(x); }
  static I set_i(int32_t x) { return _mm512_set1_epi32(x); }
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static I load_i(const void* p) { return _mm512_loadu_si512(p); }
  static void store(float* p, F a) { _mm512_storeu_ps(p, a); }
  static void store_i(void* p, I a) { _mm512_storeu_si512(p, a); }
  static F load_first(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
  static void store_first(float* p, F a, int n) { _mm512_mask_storeu_ps(p, first(n), a); }

  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F sqrt(F a) { return _mm512_sqrt_ps(a); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F abs(F a) { return _mm512_abs_ps(a); }
  static F where_different(F a, F b, F x) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ), x); }
  static bool all_at_most_zero(F a) { return _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_LE_OQ) == 0xffff; }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }

  static I round(F a) { return _mm512_cvtps_epi32(a); }
  static F convert(I a) { return _mm512_cvtepi32_ps(a); }
  static I add_i(I a, I b) { return _mm512_add_epi32(a, b); }
  static int32_t sum_lanes(I a) { return _mm512_reduce_add_epi32(a); }
  static I xor_i(I a, I b) { return _mm512_xor_si512(a, b); }
  static I min_bytes(I a, I b) { return _mm512_min_epu8(a, b); }

  static I add_pairs(I acc, I u, I s) { return _mm512_add_epi16(acc, _mm512_maddubs_epi16(u, s)); }
  static I sum_pairs(I acc) { return _mm512_madd_epi16(acc, _mm512_set1_epi16(1)); }
  static I total(I acc) { return acc; }
  template <bool Wide>
  static I dot4(I acc, I u, I s) {
    if constexpr (Wide) {
      const I even = _mm512_madd_epi16(_mm512_and_si512(u, _mm512_set1_epi16(255)), _mm512_srai_epi16(_mm512_slli_epi16(s, 8), 8));
      const I odd = _mm512_madd_epi16(_mm512_srli_epi16(u, 8), _mm512_srai_epi16(s, 8));
      return _mm512_add_epi32(acc, _mm512_add_epi32(even, odd));
    } else {
      return _mm512_add_epi32(acc, _mm512_madd_epi16(_mm512_maddubs_epi16(u, s), _mm512_set1_epi16(1)));
    }
  }
  static I pack4(I a, I b, I c, I d) {
    const I order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    return _mm512_shuffle_epi8(_mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)), order);
  }
  static void store_bytes(uint8_t* p, I a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtusepi32_epi8(_mm512_max_epi32(a, _mm512_setzero_si512())));
  }
  // For patches of pixels, as in avx2.h.
  static constexpr bool has_patches = true;
  static void split(F a, F b, F& even, F& odd) { even = _mm512_permutex2var_ps(a, places(0, 2), b), odd = _mm512_permutex2var_ps(a, places(1, 2), b); }
  static void split_i(I a, I b, I& even, I& odd) { even = _mm512_permutex2var_epi32(a, places(0, 2), b), odd = _mm512_permutex2var_epi32(a, places(1, 2), b); }
  static void join(F even, F odd, F& first, F& second) {
    const I order = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    first = _mm512_permutex2var_ps(even, order, odd), second = _mm512_permutex2var_ps(even, _mm512_add_epi32(order, _mm512_set1_epi32(8)), odd);
  }
  static I even_bytes(I a) { return _mm512_and_si512(a, _mm512_set1_epi16(255)); }
  static I odd_bytes(I a) { return _mm512_srli_epi16(a, 8); }
  static I add_words(I a, I b) { return _mm512_add_epi16(a, b); }
  static I sub_words(I a, I b) { return _mm512_sub_epi16(a, b); }
  static I sub_i(I a, I b) { return _mm512_sub_epi32(a, b); }
  static I multiply_pairs(I a, I b) { return _mm512_madd_epi16(a, b); }
  // 2^x = 2^floor(x) * 2^(x - floor(x)): the first factor is an instruction, the second a minimax polynomial on [0, 1).
  static F exp2(F x) {  // relative error 1.5e-7
    const F r = fraction(x);
    const F p = fma(fma(fma(fma(set(1.8775767e-3f), r, set(8.98934e-3f)), r, set(5.5826318e-2f)), r, set(2.4015361e-1f)), r, set(6.931531e-1f));
    return _mm512_scalef_ps(fma(p, r, set(0.99999994f)), x);
  }
  static F exp2_quick(F x) {  // relative error 2.7e-6
    const F r = fraction(x);
    const F p = fma(fma(fma(set(1.3534168e-2f), r, set(5.201146e-2f)), r, set(2.4144275e-1f)), r, set(6.9300383e-1f));
    return _mm512_scalef_ps(fma(p, r, set(1.0000026f)), x);
  }
  static float sum(F a) { return _mm512_reduce_add_ps(a); }
  static float greatest(F a) { return _mm512_reduce_max_ps(a); }

 private:
  static I places(int first, int step) {
    const I count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_add_epi32(_mm512_set1_epi32(first), _mm512_mullo_epi32(count, _mm512_set1_epi32(step)));
  }
  static F fraction(F x) { return _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
};

}  // namespace intaglio::simd
