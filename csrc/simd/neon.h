// ARM NEON with dot product: 4 lanes. Meanings are in portable.h.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace intaglio::simd {

struct Neon {
  static constexpr int lanes = 4;
  static constexpr int accumulators = 12;  // products that fit into registers beside their operands
  static constexpr int tile_tokens = 4;    // vectors of tokens in one register tile of 4 outputs
  static constexpr bool needs_wide = false;
  static constexpr bool has_pairs = false;
  static constexpr bool has_tiles = false;
  struct Guard {};  // subnormal numbers cost nothing extra
  using F = float32x4_t;
  using I = int32x4_t;

  static F set(float x) { return vdupq_n_f32(x); }
  static I set_i(int32_t x) { return vdupq_n_s32(x); }
  static F load(const float* p) { return vld1q_f32(p); }
  static I load_i(const void* p) { return vreinterpretq_s32_u8(vld1q_u8(static_cast<const uint8_t*>(p))); }
  static void store(float* p, F a) { vst1q_f32(p, a); }
  static void store_i(void* p, I a) { vst1q_u8(static_cast<uint8_t*>(p), vreinterpretq_u8_s32(a)); }
  static F load_first(const float* p, int n) {
    float lane[4] = {};
    for (int i = 0; i < n; ++i) lane[i] = p[i];
    return vld1q_f32(lane);
  }
  static void store_first(float* p, F a, int n) {
    float lane[4];
    vst1q_f32(lane, a);
    for (int i = 0; i < n; ++i) p[i] = lane[i];
  }

  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F div(F a, F b) { return vdivq_f32(a, b); }
  static F sqrt(F a) { return vsqrtq_f32(a); }
  static F min(F a, F b) { return vminnmq_f32(a, b); }
  static F max(F a, F b) { return vmaxnmq_f32(a, b); }
  static F abs(F a) { return vabsq_f32(a); }
  static F where_different(F a, F b, F x) { return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vceqq_f32(a, b))); }
  static bool all_at_most_zero(F a) { return vminvq_u32(vclezq_f32(a)) != 0; }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }

  static I round(F a) { return vcvtnq_s32_f32(a); }
  static F convert(I a) { return vcvtq_f32_s32(a); }
  static I add_i(I a, I b) { return vaddq_s32(a, b); }
  static int32_t sum_lanes(I a) { return vaddvq_s32(a); }
  static I xor_i(I a, I b) { return veorq_s32(a, b); }
  static I min_bytes(I a, I b) { return vreinterpretq_s32_u8(vminq_u8(vreinterpretq_u8_s32(a), vreinterpretq_u8_s32(b))); }

  static I total(I acc) { return acc; }
  // Dot products of like signs only: u * s = (u - 128) * s + 128 * s, where the second sum takes a dot product with 128 in every byte,
  // as signed -128 subtracted.
  template <bool Wide>
  static I dot4(I acc, I u, I s) {
    const int8x16_t centred = vreinterpretq_s8_u8(veorq_u8(vreinterpretq_u8_s32(u), vdupq_n_u8(128)));
    const int8x16_t weights = vreinterpretq_s8_s32(s);
    const I offset = vdotq_s32(vdupq_n_s32(0), weights, vdupq_n_s8(-128));
    return vsubq_s32(vdotq_s32(acc, centred, weights), offset);
  }
  static I pack4(I a, I b, I c, I d) {
    const uint8x8_t ab = vqmovun_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)));
    const uint8x8_t cd = vqmovun_s16(vcombine_s16(vqmovn_s32(c), vqmovn_s32(d)));
    const uint8_t order[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    return vreinterpretq_s32_u8(vqtbl1q_u8(vcombine_u8(ab, cd), vld1q_u8(order)));
  }
  static void store_bytes(uint8_t* p, I a) {
    const int16x4_t words = vqmovn_s32(a);
    const uint32_t bits = vget_lane_u32(vreinterpret_u32_u8(vqmovun_s16(vcombine_s16(words, words))), 0);
    __builtin_memcpy(p, &bits, sizeof bits);
  }
  static F exp2(F a) {
    const F x = vminnmq_f32(vmaxnmq_f32(a, set(-126.0f)), set(126.0f));
    const F whole = vrndnq_f32(x);
    const F r = sub(x, whole);
    F p = fma(set(1.32764736e-3f), r, set(9.67554189e-3f));
    p = fma(p, r, set(5.55071309e-2f));
    p = fma(p, r, set(2.40221202e-1f));
    p = fma(p, r, set(6.93146944e-1f));
    p = fma(p, r, set(1.0f));
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vcvtnq_s32_f32(whole), 23)));
  }
  static F exp2_quick(F a) { return exp2(a); }
  static float sum(F a) { return vaddvq_f32(a); }
  static float greatest(F a) { return vmaxvq_f32(a); }
};

}  // namespace intaglio::simd
