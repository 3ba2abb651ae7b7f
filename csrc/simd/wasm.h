// WebAssembly SIMD128: 4 lanes, no fused multiply-add, so that floats are those of portable.h bit for bit. Meanings are in portable.h.
#pragma once

#include <wasm_simd128.h>

#include <cstdint>

namespace intaglio::simd {

struct Wasm {
  static constexpr int lanes = 4;
  static constexpr int accumulators = 8;   // products that fit into registers beside their operands
  static constexpr int tile_tokens = 2;    // vectors of tokens in one register tile of 4 outputs
  static constexpr bool needs_wide = false;
  static constexpr bool has_pairs = false;
  static constexpr bool has_tiles = false;
  struct Guard {};  // WebAssembly cannot flush subnormal numbers
  // Two types, because kernels overload on them.
  struct F {
    v128_t v;
  };
  struct I {
    v128_t v;
  };

  static F set(float x) { return {wasm_f32x4_splat(x)}; }
  static I set_i(int32_t x) { return {wasm_i32x4_splat(x)}; }
  static F load(const float* p) { return {wasm_v128_load(p)}; }
  static I load_i(const void* p) { return {wasm_v128_load(p)}; }
  static void store(float* p, F a) { wasm_v128_store(p, a.v); }
  static void store_i(void* p, I a) { wasm_v128_store(p, a.v); }
  static F load_first(const float* p, int n) {
    float lane[4] = {};
    for (int i = 0; i < n; ++i) lane[i] = p[i];
    return load(lane);
  }
  static void store_first(float* p, F a, int n) {
    float lane[4];
    store(lane, a);
    for (int i = 0; i < n; ++i) p[i] = lane[i];
  }

  static F add(F a, F b) { return {wasm_f32x4_add(a.v, b.v)}; }
  static F sub(F a, F b) { return {wasm_f32x4_sub(a.v, b.v)}; }
  static F mul(F a, F b) { return {wasm_f32x4_mul(a.v, b.v)}; }
  static F div(F a, F b) { return {wasm_f32x4_div(a.v, b.v)}; }
  static F sqrt(F a) { return {wasm_f32x4_sqrt(a.v)}; }
  // pmin(x, y) is y < x ? y : x, one instruction on every processor; min and max of WebAssembly, which spread NaN, are several.
  static F min(F a, F b) { return {wasm_f32x4_pmin(b.v, a.v)}; }
  static F max(F a, F b) { return {wasm_f32x4_pmax(b.v, a.v)}; }
  static F abs(F a) { return {wasm_f32x4_abs(a.v)}; }
  static F where_different(F a, F b, F x) { return {wasm_v128_andnot(x.v, wasm_f32x4_eq(a.v, b.v))}; }
  static bool all_at_most_zero(F a) { return wasm_i32x4_all_true(wasm_f32x4_le(a.v, wasm_f32x4_splat(0.0f))); }
  static F fma(F a, F b, F c) { return add(mul(a, b), c); }

  // By adding 1.5 * 2^23, as in portable.h: the saturating conversion is a long sequence on x86.
  static I round(F a) {
    const F clamped = min(max(a, set(-4194304.0f)), set(4194304.0f));
    return {wasm_i32x4_sub(add(clamped, set(12582912.0f)).v, wasm_i32x4_splat(0x4b400000))};
  }
  static F convert(I a) { return {wasm_f32x4_convert_i32x4(a.v)}; }
  static I add_i(I a, I b) { return {wasm_i32x4_add(a.v, b.v)}; }
  static int32_t sum_lanes(I a) { return wasm_i32x4_extract_lane(a.v, 0) + wasm_i32x4_extract_lane(a.v, 1) + wasm_i32x4_extract_lane(a.v, 2) + wasm_i32x4_extract_lane(a.v, 3); }
  static I xor_i(I a, I b) { return {wasm_v128_xor(a.v, b.v)}; }
  static I min_bytes(I a, I b) { return {wasm_u8x16_min(a.v, b.v)}; }

  static I total(I acc) { return acc; }
  // Even and odd bytes as 16-bit numbers, whose dot product of pairs lands in the right lane without a shuffle. What depends on one operand alone is
  // computed once for all products with it.
  template <bool Wide>
  static I dot4(I acc, I u, I s) {
    const v128_t u_even = wasm_v128_and(u.v, wasm_i16x8_splat(0xff)), u_odd = wasm_u16x8_shr(u.v, 8);
    const v128_t s_even = wasm_i16x8_shr(wasm_i16x8_shl(s.v, 8), 8), s_odd = wasm_i16x8_shr(s.v, 8);
    return {wasm_i32x4_add(wasm_i32x4_add(acc.v, wasm_i32x4_dot_i16x8(u_even, s_even)), wasm_i32x4_dot_i16x8(u_odd, s_odd))};
  }
  static I pack4(I a, I b, I c, I d) {
    const v128_t bytes = wasm_u8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(a.v, b.v), wasm_i16x8_narrow_i32x4(c.v, d.v));
    return {wasm_i8x16_shuffle(bytes, bytes, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)};
  }
  static void store_bytes(uint8_t* p, I a) {
    const v128_t words = wasm_i16x8_narrow_i32x4(a.v, a.v);
    wasm_v128_store32_lane(p, wasm_u8x16_narrow_i16x8(words, words), 0);
  }
  static F exp2(F a) {
    const F x = min(max(a, set(-126.0f)), set(126.0f));
    const I whole = round(x);
    const F r = sub(x, convert(whole));
    F p = fma(set(1.32764736e-3f), r, set(9.67554189e-3f));
    p = fma(p, r, set(5.55071309e-2f));
    p = fma(p, r, set(2.40221202e-1f));
    p = fma(p, r, set(6.93146944e-1f));
    p = fma(p, r, set(1.0f));
    return mul(p, {wasm_i32x4_shl(wasm_i32x4_add(whole.v, wasm_i32x4_splat(127)), 23)});
  }
  static F exp2_quick(F a) { return exp2(a); }
  static float sum(F a) {
    return (wasm_f32x4_extract_lane(a.v, 0) + wasm_f32x4_extract_lane(a.v, 2)) + (wasm_f32x4_extract_lane(a.v, 1) + wasm_f32x4_extract_lane(a.v, 3));
  }
  static float greatest(F a) {
    float lane[4], most;
    store(lane, a);
    most = lane[0];
    for (int i = 1; i < 4; ++i) most = lane[i] > most ? lane[i] : most;
    return most;
  }
};

}  // namespace intaglio::simd
