// Packs a quantized linear layer for the block kernel: signed words of four inputs, and the three constants of equation (5) per output.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/spec.h"
#include "kernels/block_args.h"

namespace intaglio {

// What is subtracted from codes of this width to make them the signed operand: nothing while they fit into seven bits beside any other operand.
constexpr int signed_shift(int bits) { return bits >= 7 ? 1 << (bits - 1) : 0; }

// Whether the sums of `words` words of 4 products, and of their unsigned codes alone, fit 16 bits before two halves are added.
constexpr bool is_narrow(int words, int unsigned_top, int largest_signed) { return int64_t{2} * words * unsigned_top * largest_signed <= 32767; }
// Whether pairs of products of an unsigned and a signed operand may exceed 16 bits.
constexpr bool needs_wide(int unsigned_top, int largest_signed) { return 2 * unsigned_top * largest_signed > 32767; }

// How many words of 4 products may be added up in pairs before 16 bits overflow; 0 where that is too few to be worth it: a sum of pairs costs four
// instructions when it is made one of 32 bits, and saves one for each word until then.
constexpr int pair_words(int unsigned_top, int largest_signed) {
  const int words = 32767 / (2 * unsigned_top * largest_signed);
  return words < 8 ? 0 : words;
}

// Order of outputs or inputs in the packed layer: an index of the layer, or -1 for padding.
using Order = std::vector<int64_t>;
Order plain_order(int64_t count);                         // padded to a multiple of 4
Order head_order(int64_t heads, int64_t channels);        // each head padded to a multiple of 4

// What the epilogue does to y before the next step: y * scale + offset; padded outputs get `padding`.
struct Affine {
  double scale = 1.0, offset = 0.0;
  float padding = 0.0f;
};

// y -> code on the grid, times `factor` first; padded outputs get code 0.
Affine to_grid(const Grid& grid, double factor = 1.0);

struct PackedLinear {
  std::vector<int32_t> words;
  std::vector<int8_t> tiles;
  std::vector<float> scale, sum, offset;
  int groups = 0, outputs = 0;
  int32_t last_ones = 0;
  bool wide = false, narrow = false;
  double reach = 0.0;  // no output exceeds this, before the epilogue
  LinearArgs args() const { return {words.data(), tiles.data(), scale.data(), sum.data(), offset.data(), groups, outputs, last_ones}; }
};

// The same weights as rows of whole tiles, 16 outputs by 64 inputs, zero where there is no weight.
void add_tiles(PackedLinear& packed);

// `part` names the layer: codes `<part>.codes` (outputs, inputs), grids `<part>.input` and `<part>.weight`.
PackedLinear pack_linear(const OpSpec& spec, const std::string& part, int64_t outputs, int64_t inputs, std::span<const float> bias,
                         const Order& output_order, const Order& input_order, const Affine& epilogue);

// The grid's codes as kernels want them.
CodePieces code_pieces(const Grid& grid);
CodeRange code_range(const Grid& grid);
CodeGrid code_grid(const Grid& grid);

// A code in each of the 4 bytes.
int32_t every_byte(int code);

// The largest magnitude of a grid's levels.
double magnitude(const Grid& grid);

// Refuses a grid so fine that values up to `reach` would leave int32 as codes.
void check_reach(const OpSpec& spec, const std::string& role, const Grid& grid, double reach);

}  // namespace intaglio
