// Convolutions, float and quantized: cuts the output into tiles that fit the second-level cache with their input, one kernel call each.
#include <algorithm>

#include "engine/error.h"
#include "ops/activation_spec.h"
#include "ops/conv_weights.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

// A tile and its packed input stay in the second-level cache; a quarter of a megabyte leaves room for the weights.
constexpr int64_t band_bytes = 256 << 10;
constexpr int64_t tile_columns = 128;

// How an output of (h, w) is cut. `rows` is at most what fits the scratch.
struct Tiling {
  int64_t rows, columns, bands, strips;

  static Tiling of(const ConvGeometry& geometry, int channels_per_word, int64_t h, int64_t w, int threads) {
    const int64_t columns = std::min(w, tile_columns);
    int64_t most = 1;
    while (most < h && ConvBand::of(geometry, channels_per_word, most + 1, columns).words() * 4 <= band_bytes) ++most;
    const int64_t bands = (h + most * threads - 1) / (most * threads) * threads;
    const int64_t rows = (h + bands - 1) / bands;
    return {rows, columns, (h + rows - 1) / rows, (w + columns - 1) / columns};
  }
};

// What both forms share; `Form` says how many channels a word holds and calls its kernel.
template <class Form>
class ConvOp final : public Op {
 public:
  ConvOp(const ConvGeometry& geometry, ActivationSpec activation, Form form)
      : geometry_(geometry), activation_(std::move(activation)), form_(std::move(form)) {}

  Shape shape(const Operands& operands) const override {
    const Shape& in = operands.in.at(0);
    if (in.c != geometry_.in) throw Error("a convolution reads a map of another number of channels; the program is damaged, pack the model again");
    if (std::min(in.h, in.w) + 2 * geometry_.pad < geometry_.kernel) throw Error("the picture is smaller than this network's convolutions; enlarge it");
    return {geometry_.out, geometry_.output_extent(in.h), geometry_.output_extent(in.w)};
  }

  Workspace workspace(const Operands& operands) const override {
    const Shape out = shape(operands);
    const Tiling tiling = Tiling::of(geometry_, Form::channels_per_word, out.h, out.w, 1);
    const ConvBand band = ConvBand::of(geometry_, Form::channels_per_word, tiling.rows, tiling.columns);
    return {static_cast<size_t>(band.words() + Form::extra_planes * band.plane) * sizeof(float), 0};
  }

  void run(const Context& context) const override {
    const Map &in = context.in[0], &out = context.out;
    const Tiling tiling = Tiling::of(geometry_, Form::channels_per_word, out.shape.h, out.shape.w, context.pool.threads());
    context.pool.run(tiling.bands * tiling.strips, [&](int thread, int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        const int64_t y0 = at / tiling.strips * tiling.rows, x0 = at % tiling.strips * tiling.columns;
        const int64_t y1 = std::min(y0 + tiling.rows, out.shape.h), x1 = std::min(x0 + tiling.columns, out.shape.w);
        const ConvBand band = ConvBand::of(geometry_, Form::channels_per_word, y1 - y0, x1 - x0);
        form_.run({geometry_, band, in.data, in.plane, in.shape.h, in.shape.w, out.data, out.plane, out.shape.w, y0, y1, x0, x1, activation_.act,
                   activation_.slopes.data(), context.scratch(thread)});
      }
    });
  }

 private:
  ConvGeometry geometry_;
  ActivationSpec activation_;
  Form form_;
};

struct FloatForm {
  static constexpr int channels_per_word = 1, extra_planes = 0;
  void (*kernel)(const ConvFloatArgs&);
  std::vector<float> weights, bias;
  void run(const ConvTile& tile) const { kernel({tile, weights.data(), bias.data()}); }
};

struct CodesForm {
  static constexpr int channels_per_word = 4, extra_planes = 1;  // the sums of codes
  void (*kernel)(const ConvCodesArgs&);
  CodeGrid grid;
  PackedCodes packed;
  void run(const ConvTile& tile) const {
    kernel({tile, grid, packed.words.data(), packed.scale.data(), packed.of_sum.data(), packed.constant.data(), packed.wide});
  }
};

ConvGeometry read_geometry(const OpSpec& spec) {
  ConvGeometry geometry;
  geometry.in = static_cast<int>(spec.integer("in", 1, 4096));
  geometry.out = static_cast<int>(spec.integer("out", 1, 4096));
  geometry.kernel = static_cast<int>(spec.integer("kernel", 1, largest_conv_kernel));
  geometry.stride = static_cast<int>(spec.integer("stride", 1, 16));
  geometry.pad = static_cast<int>(spec.integer("pad", 0, largest_conv_kernel));
  return geometry;
}

}  // namespace

std::unique_ptr<Op> make_conv2d(const OpSpec& spec, const KernelTable& kernels) {
  const ConvGeometry geometry = read_geometry(spec);
  const std::vector<float>& bias = spec.tensor("bias", {geometry.out});
  ActivationSpec activation = ActivationSpec::read(spec, geometry.out);
  if (!spec.has_codes("conv.codes")) {
    const auto& weight = spec.tensor("weight", {geometry.out, geometry.in, geometry.kernel, geometry.kernel});
    return std::make_unique<ConvOp<FloatForm>>(geometry, std::move(activation), FloatForm{kernels.conv_float, pack_float_weights(geometry, weight), bias});
  }
  constexpr int64_t most_exact_terms = 33025;  // 255 * 255 * terms < 2^31
  if (int64_t{geometry.in} * geometry.taps() > most_exact_terms) spec.refuse("more products in a sum than 32 bits hold");
  const auto& codes = spec.code_tensor("conv", {geometry.out, geometry.in, geometry.kernel, geometry.kernel});
  const Grid input = spec.grid("conv.input");
  PackedCodes packed = pack_code_weights(geometry, codes, spec.channel_grids("conv.weight", geometry.out), input, bias);
  const CodeGrid grid{input.lower, input.inverse(), static_cast<float>(input.top())};
  return std::make_unique<ConvOp<CodesForm>>(geometry, std::move(activation), CodesForm{kernels.conv_codes, grid, std::move(packed)});
}

}  // namespace intaglio
