// AVX2 with FMA: 8 lanes. Meanings are in portable.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "simd/subnormals.h"

namespace intaglio::simd {

struct Avx2 {
  static constexpr int lanes = 8;
  static constexpr int accumulators = 8;     // products that fit into registers beside their operands
  static constexpr int tile_tokens = 2;       // vectors of tokens in one register tile of 4 outputs
  static constexpr bool needs_wide = true;
  static constexpr bool has_pairs = true;    // 16-bit sums of byte products are cheaper than dot4
  static constexpr bool has_tiles = false;
  using Guard = FlushSubnormals;  // held while a kernel computes exponentials
  using F = __m256;
  using I = __m256i;

  static F set(float x) { return _mm256_set1_ps(x); }
  static I set_i(int32_t x) { return _mm256_set1_epi32(x); }
  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static I load_i(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static void store(float* p, F a) { _mm256_storeu_ps(p, a); }
  static void store_i(void* p, I a) { _mm256_storeu_si256(static_cast<__m256i*>(p), a); }
  static F load_first(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
  static void store_first(float* p, F a, int n) { _mm256_maskstore_ps(p, first(n), a); }

  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F sqrt(F a) { return _mm256_sqrt_ps(a); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F abs(F a) { return _mm256_andnot_ps(set(-0.0f), a); }
  static F where_different(F a, F b, F x) { return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_NEQ_UQ), x); }
  static bool all_at_most_zero(F a) { return _mm256_movemask_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_LE_OQ)) == 0xff; }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }

  static I round(F a) { return _mm256_cvtps_epi32(a); }
  static F convert(I a) { return _mm256_cvtepi32_ps(a); }
  static I add_i(I a, I b) { return _mm256_add_epi32(a, b); }
  static int32_t sum_lanes(I a) {
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
  }
  static I xor_i(I a, I b) { return _mm256_xor_si256(a, b); }
  static I min_bytes(I a, I b) { return _mm256_min_epu8(a, b); }

  // The byte product of AVX2 saturates its pair sums at 16 bits. The wide form multiplies even and odd bytes as 16-bit words instead.
  static I add_pairs(I acc, I u, I s) { return _mm256_add_epi16(acc, _mm256_maddubs_epi16(u, s)); }
  static I sum_pairs(I acc) { return _mm256_madd_epi16(acc, _mm256_set1_epi16(1)); }
  static I total(I acc) { return acc; }
  template <bool Wide>
  static I dot4(I acc, I u, I s) {
    if constexpr (Wide) {
      const I even = _mm256_madd_epi16(_mm256_and_si256(u, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(s, 8), 8));
      const I odd = _mm256_madd_epi16(_mm256_srli_epi16(u, 8), _mm256_srai_epi16(s, 8));
      return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
    } else {
      return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), _mm256_set1_epi16(1)));
    }
  }
  // The packs leave a0..a3 b0..b3 c0..c3 d0..d3 in each 128 bits; the shuffle transposes that 4 x 4 square.
  static I pack4(I a, I b, I c, I d) {
    const I order = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm256_shuffle_epi8(_mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d)), order);
  }
  static void store_bytes(uint8_t* p, I a) {
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
  }
  // For patches of pixels: lanes at even and odd places of two vectors in a row, and back; 16-bit numbers, two a lane.
  static constexpr bool has_patches = true;
  static void split(F a, F b, F& even, F& odd) {
    even = in_order(_mm256_shuffle_ps(a, b, 0x88));
    odd = in_order(_mm256_shuffle_ps(a, b, 0xdd));
  }
  static void split_i(I a, I b, I& even, I& odd) {
    F even_bits, odd_bits;
    split(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), even_bits, odd_bits);
    even = _mm256_castps_si256(even_bits), odd = _mm256_castps_si256(odd_bits);
  }
  static void join(F even, F odd, F& first, F& second) {
    const F low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    first = _mm256_permute2f128_ps(low, high, 0x20), second = _mm256_permute2f128_ps(low, high, 0x31);
  }
  static I even_bytes(I a) { return _mm256_and_si256(a, _mm256_set1_epi16(255)); }
  static I odd_bytes(I a) { return _mm256_srli_epi16(a, 8); }
  static I add_words(I a, I b) { return _mm256_add_epi16(a, b); }
  static I sub_words(I a, I b) { return _mm256_sub_epi16(a, b); }
  static I sub_i(I a, I b) { return _mm256_sub_epi32(a, b); }
  static I multiply_pairs(I a, I b) { return _mm256_madd_epi16(a, b); }
  // The power of two nearest, by way of the exponent's bits, times a minimax polynomial on [-1/2, 1/2]. Saturates at 2^126.
  static F exp2(F x) {  // relative error 1.5e-7
    const Split at(x);
    const F p = fma(fma(fma(fma(set(1.3276472e-3f), at.rest, set(9.675541e-3f)), at.rest, set(5.550713e-2f)), at.rest, set(2.402212e-1f)), at.rest, set(6.9314694e-1f));
    return at.scaled(fma(p, at.rest, set(1.0f)));
  }
  static F exp2_quick(F x) {  // relative error 2.7e-6
    const Split at(x);
    const F p = fma(fma(fma(set(9.570102e-3f), at.rest, set(5.591786e-2f)), at.rest, set(2.4024744e-1f)), at.rest, set(6.931218e-1f));
    return at.scaled(fma(p, at.rest, set(0.9999993f)));
  }
  static float sum(F a) {
    __m128 r = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    r = _mm_add_ps(r, _mm_movehl_ps(r, r));
    return _mm_cvtss_f32(_mm_add_ss(r, _mm_movehdup_ps(r)));
  }
  static float greatest(F a) {
    __m128 r = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    r = _mm_max_ps(r, _mm_movehl_ps(r, r));
    return _mm_cvtss_f32(_mm_max_ss(r, _mm_movehdup_ps(r)));
  }

 private:
  static F in_order(F a) { return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), 0xd8)); }
  struct Split {
    F whole, rest;
    explicit Split(F a) {
      const F x = _mm256_min_ps(_mm256_max_ps(a, set(-126.0f)), set(126.0f));
      whole = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
      rest = sub(x, whole);
    }
    F scaled(F p) const { return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_cvtps_epi32(whole), 23))); }
  };
  static I first(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
};

}  // namespace intaglio::simd
