// Arguments of the convolution kernels, and how their weights and scratch are laid out. No intrinsics here.
#pragma once

#include <cstdint>

#include "kernels/activation_args.h"
#include "kernels/code_range.h"

namespace intaglio {

constexpr int largest_conv_kernel = 15;

// A convolution of planar maps: zero padding, then taps (ky, kx) at stride * y + ky - pad, stride * x + kx - pad.
struct ConvGeometry {
  int in = 0, out = 0, kernel = 1, stride = 1, pad = 0;
  constexpr int taps() const { return kernel * kernel; }
  constexpr int64_t output_extent(int64_t extent) const { return (extent + 2 * pad - kernel) / stride + 1; }
};

// Output channels that one register tile computes together: the largest that fits what is left. Weights are stored in the order in which
// the tiles read them: block by block, and in a block [group][tap][output of the block], one 32-bit word each.
constexpr int conv_block(int outputs_left) { return outputs_left >= 6 ? 6 : outputs_left >= 4 ? 4 : outputs_left; }

// The packed input of one tile of output: words of 32 bits (a float, two bfloat16, or four codes), [row][phase][plane][column].
// Column i of phase p is the pixel stride * i + p of the padded row, so that the pixels that a tap meets are contiguous for any stride.
struct ConvBand {
  int64_t pitch;  // words from one plane to the next, an odd number of cache lines
  int64_t line;   // words from one phase to the next
  int64_t rows;   // input rows
  int stride;
  // `planes` of words for an output of (rows, columns); columns are rounded up to the widest vector.
  static constexpr ConvBand of(const ConvGeometry& g, int planes, int64_t rows, int64_t columns) {
    const int64_t words = (columns + 15) / 16 * 16 + (g.kernel - 1) / g.stride;
    const int64_t pitch = ((words + 15) / 16 | 1) * 16;
    return {pitch, pitch * planes, (rows - 1) * g.stride + g.kernel, g.stride};
  }
  constexpr int64_t row() const { return line * stride; }
  constexpr int64_t words() const { return rows * row(); }
};

// Pixels of a run, at most, and floats of its sums where these wait (kernels/conv_finish.h).
constexpr int64_t longest_run = 128;
constexpr int64_t conv_line_floats(int outputs) { return (outputs + 3) / 4 * 4 * longest_run; }

// Outputs that one register tile of products of patches computes together.
constexpr int patch_block(int outputs_left) { return outputs_left >= 6 ? 6 : outputs_left >= 2 ? 2 : 1; }

// Vectors of patches in a run, each of 2 x 2 outputs, and words of their 16 parts and of the sums, on vectors of `lanes`; `depth` words for each patch and part.
constexpr int patch_vectors = 4;
constexpr int64_t conv_patch_words(int outputs, int depth, int lanes) { return int64_t{16} * (outputs + depth) * patch_vectors * lanes; }

// A map of the output's shape that results meet after their activation: result * own + data * other, or result * data. The output may be written over it.
struct ConvResidual {
  const float* data = nullptr;
  int64_t plane = 0;
  float own = 1.0f, other = 1.0f;
  bool product = false;
};

// One tile of output, rows [y0, y1) and columns [x0, x1), of a convolution of the planar map (in, h, w).
struct ConvTile {
  ConvGeometry geometry;
  ConvBand band;
  int groups;  // of channels, as many as a word holds each; the first planes of the band
  const float* in;
  int64_t in_plane, h, w;
  float* out;  // null where nobody reads floats
  int64_t out_plane, out_w;
  int64_t y0, y1, x0, x1;
  Activation act;
  const float* slopes;  // one for each output channel; leaky_relu and prelu only
  void* scratch;        // the band's words, 64-byte aligned
  ConvResidual residual = {};
  // A map of codes: planes of words of four channels. Such an input was quantized by who wrote it; an output is by its readers' grid.
  bool packed_in = false;
  int32_t* codes = nullptr;  // planes `out_plane` apart
  const CodeGrid* out_grid = nullptr;
  void* patches = nullptr;   // transformed patches and sums of a run (kernels/conv_winograd.h); conv_patch_words
  float* line = nullptr;     // sums of a run of pixels that wait for what becomes of them; conv_line_floats
  int64_t out_from = 0;      // the pixel that `out` begins with
  int pair_groups = 0;  // of channels whose products, added up in pairs, fit 16 bits; 0: too few to be worth it
};

// Float: one plane a channel.
struct ConvFloatArgs {
  ConvTile tile;
  const float* weights;
  const float* bias;
};

// Float on matrix registers: planes of two bfloat16 channels, heads and rests (kernels/conv_matrix.h), a multiple of 16 each. Weights are stored
// in blocks of 32 outputs (16 at the end, if that is enough), and in a block [16 groups][tap][heads, rests][16 outputs][output][group of the 16].
struct ConvFloatMatrixArgs {
  ConvTile tile;
  const int32_t* weights;
  const float* bias;
};

// Quantized: y[n] = scale[n] * (R[n] + apart * S) + of_sum[n] * S + constant[n], S the sum of input codes: equation (5), whose weight codes are taken less the one
// nearest to zero. One plane for each four channels, and a last one for the sums of codes over channels.
struct ConvCodesArgs {
  ConvTile tile;
  CodeGrid grid;
  const int32_t* weights;  // four signed codes a word; on matrix registers in the order of ConvFloatMatrixArgs, without the rests
  const float *scale, *of_sum, *constant;
  float apart;  // what is subtracted from the stored codes, less the code nearest to zero: a whole number
  bool wide;  // 2 * largest input code * largest |weight code| > 32767
};

// `lines` runs of n outputs of one channel, whose inputs and outputs are `from_line` and `to_line` floats apart: to[x] = bias + sum over channels, rows and columns of the kernel of weight * from[channel][row][column + x], floats
// `channel_step`, `row_step` and `column_step` apart. For convolutions in groups, of one channel each above all, whose input has its border already.
struct ConvRunArgs {
  const float* from;
  int64_t channel_step, row_step, column_step;
  int channels, rows, columns;
  const float* weights;  // [channels][rows][columns]
  float bias;
  float* to;
  int64_t n;
  int64_t lines, from_line, to_line;
};

}  // namespace intaglio
