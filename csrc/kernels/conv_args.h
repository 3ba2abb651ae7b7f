// Arguments of the convolution kernels, and how their weights and scratch are laid out. No intrinsics here.
#pragma once

#include <cstdint>

#include "kernels/activation_args.h"

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

// The packed input of one tile of output: words of 32 bits (a float, or the codes of four channels), [group][row][phase][column].
// Column i of phase p is the pixel stride * i + p of the padded row, so that the pixels that a tap meets are contiguous for any stride.
struct ConvBand {
  int groups;      // of channels
  int64_t pitch;   // words from one phase to the next
  int64_t rows;    // input rows
  int64_t plane;   // words from one group to the next, an odd number of cache lines
  static constexpr ConvBand of(const ConvGeometry& g, int channels_per_word, int64_t rows, int64_t columns) {
    ConvBand band{(g.in + channels_per_word - 1) / channels_per_word, 0, (rows - 1) * g.stride + g.kernel, 0};
    band.pitch = ((columns + 15) / 16 * 16 + (g.kernel - 1) / g.stride + 15) / 16 * 16;
    band.plane = (band.rows * g.stride * band.pitch / 16 | 1) * 16;
    return band;
  }
  constexpr int64_t words() const { return groups * plane; }
};

// One tile of output, rows [y0, y1) and columns [x0, x1), of a convolution of the planar map (in, h, w).
struct ConvTile {
  ConvGeometry geometry;
  ConvBand band;
  const float* in;
  int64_t in_plane, h, w;
  float* out;
  int64_t out_plane, out_w;
  int64_t y0, y1, x0, x1;
  Activation act;
  const float* slopes;  // one for each output channel; leaky_relu and prelu only
  void* scratch;        // 64-byte aligned, as many bytes as the kernel's family says
};

// Float: scratch of band.words() words.
struct ConvFloatArgs {
  ConvTile tile;
  const float* weights;
  const float* bias;
};

// The input's grid as the packing loop wants it: code = clamp(rint((x - lower) * inverse), 0, top), equation (2).
struct CodeGrid {
  float lower, inverse, top;
};

// Quantized: y[n] = scale[n] * R[n] + of_sum[n] * (sum of input codes) + constant[n], equation (5). Scratch of band.words() words, and
// another plane for the sums of codes over channels.
struct ConvCodesArgs {
  ConvTile tile;
  CodeGrid grid;
  const int32_t* weights;  // four signed codes a word
  const float *scale, *of_sum, *constant;
  bool wide;  // 2 * largest input code * largest |weight code| > 32767
};

}  // namespace intaglio
