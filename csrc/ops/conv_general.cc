#include "ops/conv_general.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "ops/code_rows.h"

namespace intaglio {
namespace {

constexpr int64_t strip = 512;  // columns whose sums stay in the first-level cache

struct GeneralGeometry {
  int64_t outputs, inputs, groups;  // inputs of one group
  int64_t kernel[2], stride[2], dilation[2], padding[4];
  bool reflect;

  explicit GeneralGeometry(const OpSpec& spec) : groups(spec.integer("groups", 1, 4096)), reflect(spec.text("pad_mode") == "reflect") {
    const auto& weight = spec.shape_of("weight");
    const auto strides = spec.integers("stride", 2), dilations = spec.integers("dilation", 2), pads = spec.integers("padding", 4);
    outputs = weight[0], inputs = weight[1];
    for (size_t axis = 0; axis < 2; ++axis) kernel[axis] = weight[axis + 2], stride[axis] = strides[axis], dilation[axis] = dilations[axis];
    std::copy(pads.begin(), pads.end(), padding);
    if (outputs % groups || inputs * groups > 4096) spec.refuse("groups do not divide the channels");
  }
  int64_t channels() const { return inputs * groups; }
  int64_t padded(int64_t side, int axis) const { return side + padding[axis] + padding[axis + 2]; }
  int64_t out(int64_t side, int axis) const { return (padded(side, axis) - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1; }
  int64_t terms() const { return inputs * kernel[0] * kernel[1]; }
};

// Place `at` of a row of n that was padded by `before`: an index, or -1 where there is nothing.
int64_t source(int64_t at, int64_t before, int64_t n, bool reflect) {
  int64_t place = at - before;
  if (reflect && place < 0) place = -place;
  if (reflect && place >= n) place = 2 * (n - 1) - place;
  return place >= 0 && place < n ? place : -1;
}

// First the padded input, in codes where there are such, as floats: sums of codes below 2^24 are exact in them whatever their order, and larger ones
// are taken in 32-bit integers. Then rows of outputs.
class GeneralConv final : public MapOp {
 public:
  GeneralConv(const OpSpec& spec, const KernelTable& kernels)
      : geometry_(spec), run_(kernels.conv_run), activate_(kernels.activate), activation_(conv_activation(spec, geometry_.outputs)), residual_(conv_residual(spec)) {
    const auto& shape = spec.shape_of("weight");
    const std::vector<float> bias = spec.tensor_or_zeros("bias", geometry_.outputs);
    quantized_ = spec.has_codes("weight.codes");
    if (!quantized_) {
      weight_ = spec.tensor("weight", shape);
      constants_.constant = bias;
      return;
    }
    const auto& codes = spec.code_tensor("weight.codes", "weight", shape);
    weight_.assign(codes.begin(), codes.end());
    grid_ = RowGrid(spec.grid("input"));
    const auto grids = spec.channel_grids("weight", geometry_.outputs);
    constants_ = LinearConstants::of(codes, geometry_.terms(), grid_.grid, grids, bias);
    for (float& code : weight_) code -= static_cast<float>(constants_.zero);
    exact_ = geometry_.terms() * grid_.grid.top() * grids.front().top() <= (1 << 24);
  }

  bool in_place(int input) const override { return input == 1; }
  Dims shape(const Operands& operands) const override {
    const Dims& in = operands.in.at(0);
    if (in.rank != 4 || in[1] != geometry_.channels()) refuse_shapes("conv2d", "a map of as many channels as its weights");
    const Dims out{in[0], geometry_.outputs, geometry_.out(in[2], 0), geometry_.out(in[3], 1)};
    const bool mirrored = !geometry_.reflect || (std::max(geometry_.padding[0], geometry_.padding[2]) < in[2] && std::max(geometry_.padding[1], geometry_.padding[3]) < in[3]);
    const bool fits = geometry_.padded(in[2], 0) > geometry_.dilation[0] * (geometry_.kernel[0] - 1) && geometry_.padded(in[3], 1) > geometry_.dilation[1] * (geometry_.kernel[1] - 1);
    if (!mirrored || !fits) throw Error("the picture is smaller than this network's convolutions; enlarge it");
    if (operands.in.size() > 1 && !(operands.in[1] == out)) refuse_shapes("conv2d with a sum", "terms of one shape");
    return out;
  }
  Workspace workspace(const Operands& operands) const override {
    const Dims& in = operands.in[0];
    return {0, static_cast<size_t>(geometry_.channels() * geometry_.padded(in[2], 0) * geometry_.padded(in[3], 1)) * sizeof(float)};
  }

  void run(const Context& context) const override {
    for (int64_t index = 0; index < context.out.maps(); ++index) {
      const Map in = context.in[0].map(index), out = context.out.map(index);
      pad(context, in);
      context.pool.run(out.shape.c * out.shape.h, [&](int, int64_t begin, int64_t end) {
        for (int64_t at = begin, lines; at < end; at += lines) {
          const int64_t n = at / out.shape.h, y = at % out.shape.h;
          lines = std::min(end - at, out.shape.h - y);
          rows(context, in, out, n, y, lines);
          finish(context, index, out, n, y, lines);
        }
      });
    }
  }

 private:
  void pad(const Context& context, const Map& in) const {
    const int64_t h = geometry_.padded(in.shape.h, 0), w = geometry_.padded(in.shape.w, 1);
    float* padded = reinterpret_cast<float*>(context.shared());
    context.pool.run(in.shape.c * h, [&](int, int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        const int64_t y = source(at % h, geometry_.padding[0], in.shape.h, geometry_.reflect);
        float* to = padded + at * w;
        if (y < 0) {
          std::fill_n(to, w, 0.0f);
        } else {
          pad_row(in.row(at / h, y), in.shape.w, to, w);
        }
        if (quantized_) grid_.positions(to, to, w);
      }
    });
  }

  void pad_row(const float* from, int64_t n, float* to, int64_t w) const {
    const int64_t before = geometry_.padding[1];
    const auto border = [&](int64_t x) {
      const int64_t place = source(x, before, n, geometry_.reflect);
      to[x] = place < 0 ? 0.0f : from[place];
    };
    for (int64_t x = 0; x < before; ++x) border(x);
    std::copy_n(from, n, to + before);
    for (int64_t x = before + n; x < w; ++x) border(x);
  }

  // Floats of neighbouring pixels go through the kernel.
  void rows(const Context& context, const Map& in, const Map& out, int64_t n, int64_t y, int64_t lines) const {
    if (quantized_ || geometry_.stride[1] > 1) {
      for (int64_t line = y; line < y + lines; ++line) row(context, in, out, n, line);
      return;
    }
    const int64_t h = geometry_.padded(in.shape.h, 0), w = geometry_.padded(in.shape.w, 1), group = n / (geometry_.outputs / geometry_.groups);
    const float* from = reinterpret_cast<const float*>(context.shared()) + (group * geometry_.inputs * h + y * geometry_.stride[0]) * w;
    run_({from, h * w, geometry_.dilation[0] * w, geometry_.dilation[1], static_cast<int>(geometry_.inputs), static_cast<int>(geometry_.kernel[0]),
          static_cast<int>(geometry_.kernel[1]), weight_.data() + n * geometry_.terms(), constants_.constant[static_cast<size_t>(n)], out.row(n, y), out.shape.w, lines,
          geometry_.stride[0] * w, out.shape.w});
  }

  // sums[x] += weight * values[x * step]
  template <class Sum>
  static void accumulate(Sum* sums, const float* values, int64_t n, int64_t step, float weight) {
    if (step == 1) {
      for (int64_t x = 0; x < n; ++x) sums[x] += static_cast<Sum>(weight) * static_cast<Sum>(values[x]);
    } else {
      for (int64_t x = 0; x < n; ++x) sums[x] += static_cast<Sum>(weight) * static_cast<Sum>(values[x * step]);
    }
  }

  void row(const Context& context, const Map& in, const Map& out, int64_t n, int64_t y) const {
    float* to = out.row(n, y);
    for (int64_t x = 0; x < out.shape.w; x += strip) {
      const int64_t count = std::min(strip, out.shape.w - x);
      if (!quantized_ || exact_) {
        sum<float>(context, in, to + x, n, y, x, count);
      } else {
        sum<int32_t>(context, in, to + x, n, y, x, count);
      }
    }
  }

  // What comes behind the sums, for rows of one channel that lie together.
  void finish(const Context& context, int64_t index, const Map& out, int64_t n, int64_t y, int64_t lines) const {
    float* to = out.row(n, y);
    const int64_t count = lines * out.shape.w;
    if (activation_.act != Activation::none) activate_({to, to, count, activation_.act, activation_.slope(n)});
    if (context.in.size() < 2) return;
    const float* other = context.in[1].map(index).row(n, y);
    if (residual_.product) {
      for (int64_t x = 0; x < count; ++x) to[x] *= other[x];
    } else {
      for (int64_t x = 0; x < count; ++x) to[x] = to[x] * residual_.own + other[x] * residual_.other;
    }
  }

  template <class Sum>
  void sum(const Context& context, const Map& in, float* to, int64_t n, int64_t y, int64_t x, int64_t count) const {
    const int64_t h = geometry_.padded(in.shape.h, 0), w = geometry_.padded(in.shape.w, 1), group = n / (geometry_.outputs / geometry_.groups);
    const float *padded = reinterpret_cast<const float*>(context.shared()), *weight = weight_.data() + n * geometry_.terms();
    Sum sums[strip] = {}, of_codes[strip] = {};
    for (int64_t c = 0; c < geometry_.inputs; ++c) {
      for (int64_t u = 0; u < geometry_.kernel[0]; ++u) {
        const int64_t line = (group * geometry_.inputs + c) * h + y * geometry_.stride[0] + u * geometry_.dilation[0];
        for (int64_t v = 0; v < geometry_.kernel[1]; ++v, ++weight) {
          const float* values = padded + line * w + x * geometry_.stride[1] + v * geometry_.dilation[1];
          accumulate(sums, values, count, geometry_.stride[1], *weight);
          if (quantized_) accumulate(of_codes, values, count, geometry_.stride[1], 1.0f);
        }
      }
    }
    const auto channel = static_cast<size_t>(n);
    const float constant = constants_.constant[channel];
    if (!quantized_) {
      for (int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(sums[i]) + constant;
      return;
    }
    const float of_product = constants_.of_product[channel], of_sum = constants_.of_sum[channel];
    for (int64_t i = 0; i < count; ++i) to[i] = of_product * static_cast<float>(sums[i]) + of_sum * static_cast<float>(of_codes[i]) + constant;
  }

  GeneralGeometry geometry_;
  void (*run_)(const ConvRunArgs&);
  void (*activate_)(const ActivateArgs&);
  ActivationSpec activation_;
  ConvResidual residual_;  // scales
  std::vector<float> weight_;  // or codes
  bool quantized_ = false, exact_ = true;
  RowGrid grid_;
  LinearConstants constants_;
};

}  // namespace

std::unique_ptr<Op> make_general_conv(const OpSpec& spec, const KernelTable& kernels) { return std::make_unique<GeneralConv>(spec, kernels); }

}  // namespace intaglio
