// The vector operations every kernel is written in, in plain C++: 4 lanes in arrays, which compilers turn into whatever the target has.
//
// A vector type V has `lanes` float32 (F) or int32 (I) values. All operations are lane by lane but for dot4 and pack4, which see an I as 4 bytes a lane:
//   dot4<Wide>(acc, u, s)[i] = acc[i] + sum over b < 4 of u8(u[i], b) * s8(s[i], b), exact. Wide is needed only where 2 * max u * max |s| > 32767.
//   total(acc)               = the sums that a run of dot4 made; the vector types of pairs.h keep them in another form until then.
//   store_bytes(p, a)        : a[0], a[1], ... as bytes in a row, each clamped to 0..255 first.
//   pack4(a, b, c, d)[i]     = a[i] | b[i] << 8 | c[i] << 16 | d[i] << 24, each clamped to 0..255 first.
// round() is half to even; NaN and values beyond int32 become some int32. exp2() saturates, at 2^126 or at infinity, relative error <= 4e-7, and gives a
// normal number or zero-like (below 2^-125) for very negative ones; exp2_quick() is the same with an error of a few 1e-6, for what becomes a code. A Guard is held
// while a kernel calls them. The other headers in this folder have the same names and the same meaning.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace intaglio::simd {

struct Portable {
  static constexpr int lanes = 4;
  static constexpr int accumulators = 8;     // products that fit into registers beside their operands
  static constexpr int tile_tokens = 2;       // vectors of tokens in one register tile of 4 outputs
  static constexpr bool needs_wide = false;
  static constexpr bool has_pairs = false;
  static constexpr bool has_tiles = false;
  struct Guard {};  // nothing to hold while exponentials are computed: exp2 gives no subnormal numbers
  struct F {
    float v[4];
  };
  struct I {
    int32_t v[4];
  };

#define INTAGLIO_LANES(type, expression)             \
  type r;                                            \
  for (int i = 0; i < 4; ++i) r.v[i] = (expression); \
  return r

  static F set(float x) { INTAGLIO_LANES(F, x); }
  static I set_i(int32_t x) { INTAGLIO_LANES(I, x); }
  static F load(const float* p) { INTAGLIO_LANES(F, p[i]); }
  static I load_i(const void* p) {
    I r;
    std::memcpy(&r, p, sizeof r);
    return r;
  }
  static void store(float* p, F a) { std::memcpy(p, &a, sizeof a); }
  static void store_i(void* p, I a) { std::memcpy(p, &a, sizeof a); }
  // The first n lanes, 0 <= n <= lanes; the others are zero, or left alone in memory.
  static F load_first(const float* p, int n) { INTAGLIO_LANES(F, i < n ? p[i] : 0.0f); }
  static void store_first(float* p, F a, int n) {
    for (int i = 0; i < n; ++i) p[i] = a.v[i];
  }

  static F add(F a, F b) { INTAGLIO_LANES(F, a.v[i] + b.v[i]); }
  static F sub(F a, F b) { INTAGLIO_LANES(F, a.v[i] - b.v[i]); }
  static F mul(F a, F b) { INTAGLIO_LANES(F, a.v[i] * b.v[i]); }
  static F div(F a, F b) { INTAGLIO_LANES(F, a.v[i] / b.v[i]); }
  static F sqrt(F a) { INTAGLIO_LANES(F, std::sqrt(a.v[i])); }
  static F min(F a, F b) { INTAGLIO_LANES(F, a.v[i] < b.v[i] ? a.v[i] : b.v[i]); }
  static F max(F a, F b) { INTAGLIO_LANES(F, a.v[i] > b.v[i] ? a.v[i] : b.v[i]); }
  static F abs(F a) { INTAGLIO_LANES(F, std::fabs(a.v[i])); }
  // x in the lanes where a and b differ, else 0.
  static F where_different(F a, F b, F x) { INTAGLIO_LANES(F, a.v[i] != b.v[i] ? x.v[i] : 0.0f); }
  // False if any lane is not a number.
  static bool all_at_most_zero(F a) { return a.v[0] <= 0.0f && a.v[1] <= 0.0f && a.v[2] <= 0.0f && a.v[3] <= 0.0f; }
  // a * b + c; rounded once where the instruction set can.
  static F fma(F a, F b, F c) { INTAGLIO_LANES(F, a.v[i] * b.v[i] + c.v[i]); }

  // Adding 1.5 * 2^23 leaves the rounded integer in the low bits of the mantissa; exact up to 2^22, clamped there.
  static I round(F a) { INTAGLIO_LANES(I, nearest(a.v[i])); }
  static F convert(I a) { INTAGLIO_LANES(F, static_cast<float>(a.v[i])); }
  static I add_i(I a, I b) { INTAGLIO_LANES(I, a.v[i] + b.v[i]); }
  static int32_t sum_lanes(I a) { return a.v[0] + a.v[1] + a.v[2] + a.v[3]; }
  static I xor_i(I a, I b) { INTAGLIO_LANES(I, a.v[i] ^ b.v[i]); }
  static I min_bytes(I a, I b) {
    I r;
    uint8_t x[16], y[16];
    std::memcpy(x, &a, 16);
    std::memcpy(y, &b, 16);
    for (int i = 0; i < 16; ++i) x[i] = x[i] < y[i] ? x[i] : y[i];
    std::memcpy(&r, x, 16);
    return r;
  }

  static I total(I acc) { return acc; }
  template <bool Wide>
  static I dot4(I acc, I u, I s) {
    uint8_t x[16];
    int8_t y[16];
    std::memcpy(x, &u, 16);
    std::memcpy(y, &s, 16);
    for (int i = 0; i < 16; ++i) acc.v[i / 4] += x[i] * y[i];
    return acc;
  }
  static I pack4(I a, I b, I c, I d) {
    INTAGLIO_LANES(I, static_cast<int32_t>(byte(a.v[i]) | byte(b.v[i]) << 8 | byte(c.v[i]) << 16 | static_cast<uint32_t>(byte(d.v[i])) << 24));
  }
  static void store_bytes(uint8_t* p, I a) {
    for (int i = 0; i < 4; ++i) p[i] = byte(a.v[i]);
  }
  static F exp2(F a) { INTAGLIO_LANES(F, exp2_lane(a.v[i])); }
  static F exp2_quick(F a) { return exp2(a); }  // for probabilities that become codes: may err by a few 1e-6
  // Over the lanes, in an order of the instruction set's own.
  static float sum(F a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }
  static float greatest(F a) {
    float r = a.v[0];
    for (int i = 1; i < 4; ++i) r = a.v[i] > r ? a.v[i] : r;
    return r;
  }

 private:
  static uint8_t byte(int32_t x) { return static_cast<uint8_t>(x < 0 ? 0 : x > 255 ? 255 : x); }
  static int32_t nearest(float x) {
    constexpr float limit = 4194304.0f, magic = 12582912.0f;
    const float clamped = x > limit ? limit : x > -limit ? x : -limit;
    return static_cast<int32_t>((clamped + magic) - magic);
  }
  static float exp2_lane(float x) {
    const float clamped = x < -126.0f ? -126.0f : x > 126.0f ? 126.0f : x;
    const int32_t whole = nearest(clamped);
    const float r = clamped - static_cast<float>(whole);
    float p = 1.32764736e-3f;
    p = p * r + 9.67554189e-3f;
    p = p * r + 5.55071309e-2f;
    p = p * r + 2.40221202e-1f;
    p = p * r + 6.93146944e-1f;
    p = p * r + 1.0f;
    const int32_t bits = (whole + 127) << 23;
    float scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return p * scale;
  }
#undef INTAGLIO_LANES
};

}  // namespace intaglio::simd
