// Convolutions on matrix registers (AMX): sixteen outputs by sixteen pixels a register, sixteen planes of the band at each step.
//
// A float convolution keeps single precision for all that matters: operands are split in two bfloat16, x = head + rest, and three of the four
// products are summed (head head, rest head, head rest); what is left out is 2^-16 of each product.
#pragma once

#include "kernels/conv_pack.h"
#include "kernels/conv_tile.h"

namespace intaglio::kernels {

template <class V>
concept HasMatrixRegisters = requires { V::tile_rows; };

inline constexpr int64_t matrix_words = 256;  // of one register
inline constexpr int matrix_rows = 16;

// The sums of M x 16 outputs by N x 16 pixels are in registers 0 to 3, that of output block m and pixel block n in 2 m + n. Weights pass through
// registers 4 and 5, pixels through 6 and 7.
template <class V, int M>
inline void load_weights(const int32_t* weights) {
  V::template tile_load<4>(weights, 64);
  if constexpr (M == 2) V::template tile_load<5>(weights + matrix_words, 64);
}

// Planes of four codes.
template <class V>
struct CodeProduct {
  static constexpr int parts = 1;  // registers of weights for each output block
  using Sum = typename V::I;
  static Sum load(const int32_t* p) { return V::load_i(p); }

  // Block `Pixels` of pixels is in register `From`.
  template <int M, int Pixels, int From>
  static void multiply() {
    V::template tile_dot_codes<Pixels, 4, From>();
    if constexpr (M == 2) V::template tile_dot_codes<2 + Pixels, 5, From>();
  }
  template <int M, int N>
  static void step(const int32_t* weights, const int32_t* codes, const int32_t*, int64_t stride) {
    load_weights<V, M>(weights);
    V::template tile_load<6>(codes, stride);
    multiply<M, 0, 6>();
    if constexpr (N == 2) {
      V::template tile_load<7>(codes + V::lanes, stride);
      multiply<M, 1, 7>();
    }
  }
};

// Planes of two bfloat16, heads and rests.
template <class V>
struct SplitProduct {
  static constexpr int parts = 2;
  using Sum = typename V::F;
  static Sum load(const int32_t* p) { return V::load(reinterpret_cast<const float*>(p)); }

  template <int M, int Pixels, int From>
  static void multiply() {
    V::template tile_dot_bf16<Pixels, 4, From>();
    if constexpr (M == 2) V::template tile_dot_bf16<2 + Pixels, 5, From>();
  }
  // Heads by heads and heads by rests while the heads of the weights are loaded, then rests by heads; as few loads as eight registers allow.
  template <int M, int N>
  static void step(const int32_t* weights, const int32_t* heads, const int32_t* rests, int64_t stride) {
    load_weights<V, M>(weights);
    V::template tile_load<6>(heads, stride);
    multiply<M, 0, 6>();
    if constexpr (N == 2) {
      V::template tile_load<7>(heads + V::lanes, stride);
      multiply<M, 1, 7>();
      V::template tile_load<6>(rests, stride);
      multiply<M, 0, 6>();
      V::template tile_load<6>(rests + V::lanes, stride);
      multiply<M, 1, 6>();
      load_weights<V, M>(weights + M * matrix_words);
      multiply<M, 1, 7>();
      V::template tile_load<6>(heads, stride);
    } else {
      V::template tile_load<7>(rests, stride);
      multiply<M, 0, 7>();
      load_weights<V, M>(weights + M * matrix_words);
    }
    multiply<M, 0, 6>();
  }
};

// A strip is a run of vectors of pixels of one row. Its sums wait in memory between chunks of the weights, so that each chunk comes from the second-level
// cache once for the whole strip: weights, pixels and sums of a chunk share the first level.
inline constexpr int strip_vectors = 8;
inline constexpr int chunk_parts = 6;  // of weights, two registers each

// Where a chunk of the sum over [16 planes][tap] begins and ends.
struct Chunk {
  int first, last;
};

// Adds a chunk to the sums of M x 16 outputs by N vectors, [vector][M][16][16]; the first chunk starts them.
template <class V, class Product, int M, int N>
inline void add_chunk(const ConvTile& tile, const TapOffsets& taps, Chunk chunk, const int32_t* field, const int32_t* weights, int32_t* sums) {
  const int64_t stride = tile.band.pitch * 4, rests = tile.groups * tile.band.pitch;
  int32_t* next = sums + M * matrix_words;  // of the second vector
  if (chunk.first == 0) {
    V::template tile_zero<0>();
    V::template tile_zero<1>();
    V::template tile_zero<2>();
    V::template tile_zero<3>();
  } else {
    V::template tile_load<0>(sums, 64);
    if constexpr (N == 2) V::template tile_load<1>(next, 64);
    if constexpr (M == 2) V::template tile_load<2>(sums + matrix_words, 64);
    if constexpr (M == 2 && N == 2) V::template tile_load<3>(next + matrix_words, 64);
  }
  const int count = tile.geometry.taps();
  for (int at = chunk.first; at < chunk.last; ++at, weights += Product::parts * M * matrix_words) {
    const int32_t* pixels = field + at / count * matrix_rows * tile.band.pitch + taps.at[at % count];
    Product::template step<M, N>(weights, pixels, pixels + rests, stride);
  }
  V::template tile_store<0>(sums, 64);
  if constexpr (N == 2) V::template tile_store<1>(next, 64);
  if constexpr (M == 2) V::template tile_store<2>(sums + matrix_words, 64);
  if constexpr (M == 2 && N == 2) V::template tile_store<3>(next + matrix_words, 64);
}

// M x 16 outputs of `width` vectors. Returns the weights of the next outputs.
template <class V, class Product, int M>
inline const int32_t* sum_strip(const ConvTile& tile, const TapOffsets& taps, int width, const int32_t* field, const int32_t* weights, int32_t* sums) {
  constexpr int length = chunk_parts / Product::parts;
  const int all = tile.groups / matrix_rows * tile.geometry.taps();
  for (int first = 0; first < all; first += length) {
    const Chunk chunk{first, first + length < all ? first + length : all};
    int t = 0;
    for (; t + 2 <= width; t += 2) add_chunk<V, Product, M, 2>(tile, taps, chunk, field + t * V::lanes, weights, sums + t * M * matrix_words);
    if (t < width) add_chunk<V, Product, M, 1>(tile, taps, chunk, field + t * V::lanes, weights, sums + t * M * matrix_words);
    weights += (chunk.last - chunk.first) * Product::parts * M * matrix_words;
  }
  return weights;
}

// All output channels of a strip from `pixel` on, of which `left` pixels are to be written; result(output, vector, sum) is a result.
template <class V, class Product, class Result>
inline void all_matrix_outputs(const ConvTile& of, const TapOffsets& taps, int width, const int32_t* field, const int32_t* weights, int64_t pixel, int64_t left,
                               const Result& result) {
  alignas(64) int32_t sums[2 * strip_vectors * matrix_words];
  const ConvTile tile = of;
  for (int n = 0; n < tile.geometry.out;) {
    const int rest = tile.geometry.out - n, blocks = rest > matrix_rows ? 2 : 1, outputs = rest < blocks * matrix_rows ? rest : blocks * matrix_rows;
    fetch_ahead(tile.residual, n, outputs, pixel, left < width * V::lanes ? left : width * V::lanes);
    weights = blocks == 2 ? sum_strip<simd::Plain<V>, Product, 2>(of, taps, width, field, weights, sums) : sum_strip<simd::Plain<V>, Product, 1>(of, taps, width, field, weights, sums);
    for (int m = 0; m < outputs; m += 4) {
      const int32_t* row = sums + m * V::lanes;  // the blocks of a vector follow each other
      for (int t = 0; t < width; ++t, row += blocks * matrix_words) {
        typename V::F four[4];
#pragma GCC unroll 4
        for (int c = 0; c < 4; ++c) four[c] = m + c < outputs ? result(n + m + c, t, Product::load(row + c * V::lanes)) : V::set(0.0f);
        finish_four<V>(tile, n + m, pixel + t * V::lanes, left - t * V::lanes, four);
      }
    }
    n += outputs;
  }
}

// Heads and rests of two channels a word, as the planes 0 to groups - 1 and groups to 2 * groups - 1; zero beyond the last channel.
template <class V>
inline void pack_split_band(const ConvTile& tile) {
  for (int64_t group = 0; group < tile.groups; ++group) {
    for_each_line<V>(tile, [&](int64_t line, int64_t y, int64_t at) {
      int32_t *heads = static_cast<int32_t*>(tile.scratch) + line + group * tile.band.pitch, *rests = heads + tile.groups * tile.band.pitch;
      for_each_vector<V, 2>(tile, 2 * group, y, at, [&](int64_t i, const typename V::F(&x)[2]) {
        typename V::I head, rest;
        V::split_bf16(x[0], x[1], head, rest);
        V::store_i(heads + i, head);
        V::store_i(rests + i, rest);
      });
    });
  }
}

// Every strip of the tile: result_of(width, first word of the strip) makes its `result`.
template <class V, class Product, class Body>
inline void for_each_strip(const ConvTile& tile, const TapOffsets& taps, const int32_t* weights, const Body& result_of) {
  V::tiles_begin();
  const auto vectors = static_cast<int>((tile.x1 - tile.x0 + V::lanes - 1) / V::lanes);
  for (int64_t y = tile.y0; y < tile.y1; ++y) {
    const int32_t* row = static_cast<const int32_t*>(tile.scratch) + (y - tile.y0) * tile.geometry.stride * tile.band.row();
    for (int v = 0; v < vectors; v += strip_vectors) {
      const int width = vectors - v < strip_vectors ? vectors - v : strip_vectors;
      const int32_t* field = row + v * V::lanes;
      const int64_t x = tile.x0 + v * V::lanes, pixel = y * tile.out_w + x;
      if (tile.codes && tile.out_grid->pieces.count) {
        all_matrix_outputs<simd::Pieced<V>, Product>(tile, taps, width, field, weights, pixel, tile.x1 - x, result_of(width, field));
      } else {
        all_matrix_outputs<V, Product>(tile, taps, width, field, weights, pixel, tile.x1 - x, result_of(width, field));
      }
    }
  }
  V::tiles_end();
}

template <class V>
void conv_float_matrix(const ConvFloatMatrixArgs& args) {
  const ConvTile& tile = args.tile;
  TapOffsets taps;
  find_taps<V>(tile, taps);
  pack_split_band<V>(tile);
  for_each_strip<V, SplitProduct<V>>(tile, taps, args.weights, [&](int, const int32_t*) {
    return [&](int n, int, typename V::F sum) { return V::add(sum, V::set(args.bias[n])); };
  });
}

template <class V>
void conv_codes_matrix(const ConvCodesArgs& args) {
  const ConvTile& tile = args.tile;
  TapOffsets taps;
  find_taps<V>(tile, taps);
  pack_code_band<V>(tile, args.grid);
  typename V::F sums[strip_vectors];
  for_each_strip<V, CodeProduct<V>>(tile, taps, args.weights, [&](int width, const int32_t* field) {
    sums_of_codes<V>(width, tile, taps, field, sums);
    return [&](int n, int t, typename V::I product) {
      const auto offset = V::fma(sums[t], V::set(args.of_sum[n]), V::set(args.constant[n]));
      const auto small = V::fma(sums[t], V::set(args.apart), V::convert(product));
      return V::fma(small, V::set(args.scale[n]), offset);
    };
  });
}

}  // namespace intaglio::kernels
