// Arguments of the kernels that treat rows of numbers which lie together: tokens of channels, queries of scores. No intrinsics here.
#pragma once

#include <cstdint>

#include "kernels/code_range.h"

namespace intaglio {

// Codes of `rows` rows of k floats, `step` floats apart: `to` holds them as [rows][width] bytes, width a multiple of 4, zero beyond k, and room for one
// vector behind the last row. sums: of the codes of each row; may be null.
struct CodeRowsArgs {
  const float* from;
  int64_t step;
  uint8_t* to;
  int32_t* sums;
  const uint8_t* ones;  // [width] and a vector more: ones, then zeros
  int64_t rows;
  int k, width;
  CodeGrid grid;
};

// Codes of a matrix (k, n), rows `step` floats apart, as the second operand of row_products: [ceil(k / 4)][stride] words, four codes of a column each, those beyond k zero; less 128
// where `shifted`. stride: n rounded up to whole vectors. sums: [stride], of the codes of each column before the shift.
struct CodeColumnsArgs {
  const float* from;
  int64_t step;
  int32_t* words;
  int32_t* sums;
  int64_t stride;
  int k, n;
  bool shifted;
  CodeGrid grid;
};

// R[r][n] = sum over k of u8(codes, r, k) * s8(words, k, n), and from it
//   to[r][n] = ((of_product[n] * R' + of_sum[n] * row_sums[r]) + column[n]) + constant, R' = R + shift * row_sums[r],
// each operation rounded: equations (4) and (5). Without `to`, R itself goes to `integers`, [rows][stride].
struct RowProductsArgs {
  const uint8_t* codes;   // [rows][4 * groups]
  const int32_t* words;   // [groups][stride], stride a multiple of the lanes
  const int32_t* row_sums;
  int64_t rows, stride;
  int groups, columns;
  bool wide;        // two products may exceed 16 bits
  int pair_groups;  // groups whose products, added up in pairs, fit 16 bits; 0: too few to be worth it
  int32_t shift;
  const float *of_product, *of_sum, *column;  // [stride]
  float constant;
  float* to;  // [rows][columns]
  int32_t* integers;
};

// For each of `rows` rows of n: to = (from - mean) / sqrt(variance + eps) * weight + bias, biased variance. `to` may be `from`.
struct LayerNormRowsArgs {
  const float* from;
  float* to;
  int64_t rows, n;
  float eps;
  const float *weight, *bias;
};

// Each row of n becomes e^x over its sum. `to` may be `from`.
struct SoftmaxRowsArgs {
  const float* from;
  float* to;
  int64_t rows, n;
};

}  // namespace intaglio
