// AVX-512 with BF16 and the matrix registers of AMX: eight tiles of 16 rows of 64 bytes. Tokens (or pixels) in lanes is exactly the layout of their second
// operand: one row is one group of channels of 16 tokens.
#pragma once

#include "simd/avx512vnni.h"

namespace intaglio::simd {

// The tile instructions are written out: intrinsics take no template arguments, and do not tell the compiler that they read and write memory.
struct Amx : Avx512Vnni {
  static constexpr bool has_tiles = true;
  static constexpr int tile_rows = 16;

  // Every tile has its full size, so that one configuration serves all products. Each thread opens and closes its own.
  static void tiles_begin() {
    struct alignas(64) Config {
      uint8_t palette, start_row, reserved[14];
      uint16_t row_bytes[16];
      uint8_t rows[16];
    } config = {};
    static_assert(sizeof(Config) == 64);
    config.palette = 1;
    for (int tile = 0; tile < 8; ++tile) config.row_bytes[tile] = 64, config.rows[tile] = tile_rows;
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
  }
  static void tiles_end() { __asm__ volatile("tilerelease"); }

  template <int Tile>
  static void tile_zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(Tile));
  }
  // Rows `stride` bytes apart.
  template <int Tile>
  static void tile_load(const void* rows, int64_t stride) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(stride), "i"(Tile) : "memory");
  }
  template <int Tile>
  static void tile_store(void* rows, int64_t stride) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(rows), "r"(stride), "i"(Tile) : "memory");
  }
  // Acc[m][i] += sum over 64 of s8(A, m, k) * u8(B, k / 4, i, k % 4).
  template <int Acc, int A, int B>
  static void tile_dot_codes() {
    __asm__ volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Acc), "i"(A), "i"(B));
  }
  // Acc[m][i] += sum over 32 of bf16(A, m, k) * bf16(B, k / 2, i, k % 2), in single precision.
  template <int Acc, int A, int B>
  static void tile_dot_bf16() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Acc), "i"(A), "i"(B));
  }

  // Lane i of the result holds bf16(low[i]) | bf16(high[i]) << 16, rounded half to even.
  static I pack2_bf16(F low, F high) {
    const __m512i a = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(low)));
    const __m512i b = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(high)));
    return _mm512_or_si512(a, _mm512_slli_epi32(b, 16));
  }
  // low and high as pairs of bfloat16, and pairs of what that leaves out.
  static void split_bf16(F low, F high, I& head, I& rest) {
    head = pack2_bf16(low, high);
    const F low_head = _mm512_castsi512_ps(_mm512_slli_epi32(head, 16));
    const F high_head = _mm512_castsi512_ps(_mm512_and_si512(head, _mm512_set1_epi32(static_cast<int32_t>(0xffff0000u))));
    rest = pack2_bf16(sub(low, low_head), sub(high, high_head));
  }
};

}  // namespace intaglio::simd
