// AVX-512 F, BW, VL, DQ: 16 lanes. Meanings are in portable.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace intaglio::simd {

struct Avx512 {
  static constexpr int lanes = 16;
  static constexpr int accumulators = 12;     // products that fit into registers beside their operands
  static constexpr int tile_tokens = 4;       // vectors of tokens in one register tile of 4 outputs
  static constexpr bool needs_wide = true;
  static constexpr bool has_tiles = false;
  static constexpr bool has_bf16 = false;
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
  static void store_bytes(void* p, I a) {
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtusepi32_epi8(_mm512_max_epi32(a, _mm512_setzero_si512())));
  }
  // Two rows of 8 floats in one vector.
  static F load_halves(const float* low, const float* high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high), 1);
  }
  static void store_halves(float* low, float* high, F a) {
    _mm256_storeu_ps(low, _mm512_castps512_ps256(a));
    _mm256_storeu_ps(high, _mm512_extractf32x8_ps(a, 1));
  }

  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F sqrt(F a) { return _mm512_sqrt_ps(a); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F abs(F a) { return _mm512_abs_ps(a); }
  static F where_different(F a, F b, F x) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ), x); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }

  static I round(F a) { return _mm512_cvtps_epi32(a); }
  static F convert(I a) { return _mm512_cvtepi32_ps(a); }
  static I add_i(I a, I b) { return _mm512_add_epi32(a, b); }
  static I xor_i(I a, I b) { return _mm512_xor_si512(a, b); }
  static I min_bytes(I a, I b) { return _mm512_min_epu8(a, b); }

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
  // 2^(k + i/16) with the 16 values of 2^(i/16) in one register. Adding 1.5 * 2^19 rounds to sixteenths and leaves 16 k + i in the low bits,
  // i selects the table entry, and 16 k + i shifted into the exponent carries i into the mantissa, which the table entries have subtracted.
  static F exp2(F a) {
    const F x = _mm512_max_ps(a, set(-126.0f));
    const F shifted = add(x, set(786432.0f));
    const F r = sub(x, sub(shifted, set(786432.0f)));
    const I index = _mm512_castps_si512(shifted);
    const I table = _mm512_setr_epi32(0x3f800000, 0x3f7daac3, 0x3f7b95c2, 0x3f79c3d3, 0x3f7837f0, 0x3f76f532, 0x3f75fed7, 0x3f75583f,
                                      0x3f7504f3, 0x3f7508a4, 0x3f75672a, 0x3f76248c, 0x3f7744fd, 0x3f78ccdf, 0x3f7ac0c7, 0x3f7d257d);
    const F scale = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_permutexvar_epi32(index, table), _mm512_slli_epi32(index, 19)));
    const F p = mul(r, fma(set(2.40226433e-1f), r, set(6.93187714e-1f)));
    return fma(scale, p, scale);
  }

 private:
  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
};

}  // namespace intaglio::simd
