// Convolutions, float and quantized: cuts the output into tiles that fit the second-level cache with their input, one kernel call each.
// What the kernels do not do (groups, dilation, borders that differ or are mirrored) is in conv_general.cc.
#include "ops/conv.h"

#include <algorithm>
#include <optional>

#include "engine/error.h"
#include "engine/limits.h"
#include "ops/activation_spec.h"
#include "ops/conv_general.h"
#include "ops/conv_matrix_weights.h"
#include "ops/conv_weights.h"
#include "ops/factories.h"
#include "ops/pack_linear.h"

namespace intaglio {
namespace {

// A tile and its packed input stay in the second-level cache; a quarter of a megabyte leaves room for the weights.
constexpr int64_t band_bytes = 256 << 10;
constexpr int64_t tile_columns = 128;

int64_t up_to(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// How an output of (h, w) is cut, in whole units of rows and columns. `rows` is at most what fits the scratch.
struct Tiling {
  int64_t rows, columns, bands, strips;

  // Of a tile, of `columns`, in maps of h rows or fewer.
  static int64_t most_rows(const ConvGeometry& geometry, int planes, int64_t unit, int64_t h, int64_t columns) {
    int64_t most = unit;
    while (most < h && ConvBand::of(geometry, planes, most + unit, columns).words() * 4 <= band_bytes) most += unit;
    return most;
  }

  static Tiling of(const ConvGeometry& geometry, int planes, int64_t unit, int64_t h, int64_t w, int threads) {
    const int64_t columns = std::min(up_to(w, unit), tile_columns), most = most_rows(geometry, planes, unit, h, columns);
    const int64_t strips = (w + columns - 1) / columns, parts = strips % threads ? threads : 1;  // side by side, each packs fewer rows twice
    const int64_t bands = (h + most * parts - 1) / (most * parts) * parts;
    const int64_t rows = up_to((h + bands - 1) / bands, unit);
    return {rows, columns, (h + rows - 1) / rows, strips};
  }
};

// What all forms share. A `Form` says how many planes its words take and calls its kernel.
template <class Form>
class ConvOp final : public MapOp {
 public:
  ConvOp(const ConvGeometry& geometry, const OpSpec& spec, Form form)
      : geometry_(geometry), activation_(conv_activation(spec, geometry.out)), residual_(conv_residual(spec)), form_(std::move(form)) {
    packed_in_ = spec.attrs.contains("packed_in");
    if (spec.sites.contains("output")) out_grid_ = code_grid(spec.grid("output"));
    floats_ = !out_grid_ || spec.attrs.contains("floats_too");
  }

  Dims shape(const Operands& operands) const override {
    const Dims& in = operands.in.at(0);
    if (in.rank != 4 || in[1] != (packed_in_ ? (geometry_.in + 3) / 4 : geometry_.in)) refuse_shapes("conv2d", "a map of as many channels as its weights");
    if (std::min(in[2], in[3]) + 2 * geometry_.pad < geometry_.kernel) throw Error("the picture is smaller than this network's convolutions; enlarge it");
    Dims out{in[0], geometry_.out, geometry_.output_extent(in[2]), geometry_.output_extent(in[3])};
    if (operands.in.size() > 1 && !(operands.in[1] == out)) refuse_shapes("conv2d with a sum", "terms of one shape");
    out[1] = float_planes() + (out_grid_ ? (geometry_.out + 3) / 4 : 0);
    return out;
  }

  bool by_rows(const Operands&) const override { return true; }
  Rows reads(int input, Rows rows, int64_t, int64_t) const override {
    if (input == 1) return rows;
    return {rows.first * geometry_.stride - geometry_.pad, (rows.last - 1) * geometry_.stride - geometry_.pad + geometry_.kernel};
  }
  int64_t row_unit() const override { return form_.unit(); }

  // Each pixel of the residual is read just before it is written, by the same thread.
  bool in_place(int input) const override { return input == 1; }

  Workspace workspace(const Operands& operands) const override {
    const Dims out = shape(operands);
    const int64_t columns = std::min(up_to(out[3], form_.unit()), tile_columns);
    const int64_t rows = Tiling::most_rows(geometry_, form_.planes(), form_.unit(), out[2], columns);
    const int64_t band = ConvBand::of(geometry_, form_.planes(), rows, columns).words();
    return {static_cast<size_t>(band + line_floats() + form_.patch_words) * sizeof(float), 0};
  }

  void run(const Context& context) const override {
    for (int64_t index = 0; index < context.out.maps(); ++index) run_map(context, index);
  }

 private:
  int64_t float_planes() const { return floats_ ? geometry_.out : 0; }
  // Whether more becomes of a sum than what a register tile can do as it stores it.
  bool waits() const { return out_grid_ || residual_.product || activation_.act != Activation::none; }
  int64_t line_floats() const { return waits() ? conv_line_floats(geometry_.out) : 0; }

  void run_map(const Context& context, int64_t index) const {
    const Map in = context.in[0].map(index), out = context.out.map(index);
    ConvResidual residual = residual_;
    if (context.in.size() > 1) {
      const Map other = context.in[1].map(index);
      residual.data = other.data, residual.plane = other.plane;
    }
    const int64_t unit = form_.unit();
    const Rows rows = context.wanted(out.shape.h);
    const Tiling tiling = Tiling::of(geometry_, form_.planes(), unit, rows.count(), out.shape.w, context.pool.threads());
    context.pool.run(tiling.bands * tiling.strips, [&](int thread, int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        const int64_t y0 = rows.first + at / tiling.strips * tiling.rows, x0 = at % tiling.strips * tiling.columns;
        const int64_t y1 = std::min(y0 + tiling.rows, rows.last), x1 = std::min(x0 + tiling.columns, out.shape.w);
        const ConvBand band = ConvBand::of(geometry_, form_.planes(), up_to(y1 - y0, unit), up_to(x1 - x0, unit));
        auto* behind = reinterpret_cast<float*>(context.scratch(thread)) + band.words();
        ConvTile tile{geometry_, band, form_.groups, in.data, in.plane, in.shape.h, in.shape.w, floats_ ? out.data : nullptr, out.plane, out.shape.w, y0, y1, x0, x1,
                      activation_.act, activation_.slopes.data(), context.scratch(thread), residual, packed_in_};
        if (out_grid_) tile.out_grid = &*out_grid_, tile.codes = reinterpret_cast<int32_t*>(out.channel(float_planes()));
        if (waits()) tile.line = behind;
        tile.patches = behind + line_floats();
        form_.run(tile);
      }
    });
  }

  ConvGeometry geometry_;
  ActivationSpec activation_;
  ConvResidual residual_;  // scales
  bool packed_in_ = false;
  std::optional<CodeGrid> out_grid_;
  bool floats_ = true;  // in the first planes; words of codes follow them
  Form form_;
};

struct FloatForm {
  void (*kernel)(const ConvFloatArgs&);
  int groups;
  std::vector<float> weights, bias;
  int64_t patch_words = 0;  // none: not by patches of pixels, of which outputs are 2 x 2
  int64_t unit() const { return patch_words ? 2 : 1; }
  int planes() const { return groups; }
  void run(const ConvTile& tile) const { kernel({tile, weights.data(), bias.data()}); }
};

struct FloatMatrixForm {
  void (*kernel)(const ConvFloatMatrixArgs&);
  int groups;
  AlignedVector<int32_t> weights;
  std::vector<float> bias;
  static constexpr int64_t patch_words = 0;
  static constexpr int64_t unit() { return 1; }
  int planes() const { return 2 * groups; }  // heads and rests
  void run(const ConvTile& tile) const { kernel({tile, weights.data(), bias.data()}); }
};

struct CodesForm {
  void (*kernel)(const ConvCodesArgs&);
  int groups;
  CodeGrid grid;
  AlignedVector<int32_t> weights;
  CodeConstants constants;
  int64_t patch_words = 0;
  int64_t unit() const { return patch_words ? 2 : 1; }
  int planes() const { return groups + 1; }  // the sums of codes
  void run(ConvTile tile) const {
    tile.pair_groups = constants.pair_groups;
    kernel({tile, grid, weights.data(), constants.scale.data(), constants.of_sum.data(), constants.constant.data(), constants.apart, constants.wide});
  }
};

// The geometry, where the kernels have it: one group, square, undilated, zeros all round.
std::optional<ConvGeometry> kernel_geometry(const OpSpec& spec) {
  const auto stride = spec.integers("stride", 2), padding = spec.integers("padding", 4), dilation = spec.integers("dilation", 2);
  const auto& weight = spec.shape_of("weight");
  const int64_t kernel = weight[2], pad = padding[0];
  const bool plain = spec.integer("groups", 1, 4096) == 1 && weight[3] == kernel && kernel <= largest_conv_kernel && stride[0] == stride[1] &&
                     padding == std::vector<int64_t>(4, pad) && pad <= largest_conv_kernel && (kernel == 1 || dilation == std::vector<int64_t>(2, 1)) &&
                     (pad == 0 || spec.text("pad_mode") == "zeros");
  if (!plain) return std::nullopt;
  return ConvGeometry{static_cast<int>(weight[1]), static_cast<int>(weight[0]), static_cast<int>(kernel), static_cast<int>(stride[0]), static_cast<int>(pad)};
}

// Whether matrix registers, which pad outputs to 16 and groups of channels to 16, are faster than vectors for this many products of words.
// A matrix step takes 16 cycles, two vector products take one; matrices also pay for passing the sums through memory.
bool prefer_matrix(const ConvGeometry& geometry, int channels_per_word, int steps, int vector_words) {
  const int outputs = (geometry.out + 15) / 16, groups = matrix_groups(geometry, channels_per_word) / 16;
  return 16 * steps * outputs * groups < geometry.out * vector_words / 2;
}

// Whether transforming patches of pixels, to multiply them 16 times instead of 36, pays: its cost does not depend on the other number of channels.
bool is_for_patches(const ConvGeometry& geometry) { return geometry.kernel == 3 && geometry.stride == 1 && std::min(geometry.in, geometry.out) >= 16; }

// Four times a sum of 9 products of 8-bit codes in each channel fits 31 bits.
constexpr int most_patch_channels = 1800;

std::unique_ptr<Op> make_float(const OpSpec& spec, const KernelTable& kernels, const ConvGeometry& geometry) {
  const std::vector<float> bias = spec.tensor_or_zeros("bias", geometry.out);
  const auto& weight = spec.tensor("weight", {geometry.out, geometry.in, geometry.kernel, geometry.kernel});
  if (kernels.conv_float_matrix && prefer_matrix(geometry, 2, 3, geometry.in)) {
    FloatMatrixForm form{kernels.conv_float_matrix, matrix_groups(geometry, 2), pack_split_matrices(geometry, weight), bias};
    return std::make_unique<ConvOp<FloatMatrixForm>>(geometry, spec, std::move(form));
  }
  FloatForm form{kernels.conv_float, geometry.in, {}, bias};
  if (kernels.conv_float_patches && is_for_patches(geometry)) {
    form.kernel = kernels.conv_float_patches, form.weights = pack_float_patches(geometry, weight);
    form.patch_words = conv_patch_words(geometry.out, geometry.in, kernels.lanes);
  } else {
    form.weights = pack_float_weights(geometry, weight);
  }
  return std::make_unique<ConvOp<FloatForm>>(geometry, spec, std::move(form));
}

std::unique_ptr<Op> make_codes(const OpSpec& spec, const KernelTable& kernels, const ConvGeometry& geometry) {
  const std::vector<float> bias = spec.tensor_or_zeros("bias", geometry.out);
  const auto& codes = spec.code_tensor("weight.codes", "weight", {geometry.out, geometry.in, geometry.kernel, geometry.kernel});
  const Grid input = spec.grid("input");
  CodeConstants constants = CodeConstants::of(geometry, codes, spec.channel_grids("weight", geometry.out), input, bias);
  const int groups = (geometry.in + 3) / 4, shift = constants.shift;
  CodesForm form{kernels.conv_codes, groups, code_grid(input), {}, std::move(constants)};
  if (kernels.conv_codes_matrix && prefer_matrix(geometry, 4, 1, groups)) {
    form.kernel = kernels.conv_codes_matrix;
    form.groups = matrix_groups(geometry, 4);
    form.weights = pack_code_matrices(geometry, codes, shift);
  } else if (!form.constants.pair_groups && kernels.conv_codes_patches && is_for_patches(geometry) && geometry.in <= most_patch_channels) {
    form.kernel = kernels.conv_codes_patches, form.weights = pack_code_patches(geometry, codes, shift);
    form.patch_words = conv_patch_words(geometry.out, 2 * groups, kernels.lanes);
    for (float& scale : form.constants.scale) scale *= 0.25f;
    form.constants.apart *= 4.0f;
  } else {
    form.weights = pack_code_weights(geometry, codes, shift);
  }
  return std::make_unique<ConvOp<CodesForm>>(geometry, spec, std::move(form));
}

}  // namespace

ActivationSpec conv_activation(const OpSpec& spec, int64_t outputs) {
  ActivationSpec activation;
  activation.slopes = {0.0f};
  if (spec.attrs.contains("function")) activation = ActivationSpec::read(spec, "slopes");
  if (!activation.fits(outputs)) spec.refuse("prelu has slopes for another number of channels");
  activation.slopes.resize(static_cast<size_t>(outputs), activation.slope(0));
  return activation;
}

ConvResidual conv_residual(const OpSpec& spec) {
  ConvResidual residual;
  if (spec.attrs.contains("own_scale")) residual.own = spec.number("own_scale");
  if (spec.attrs.contains("residual_scale")) residual.other = spec.number("residual_scale");
  residual.product = spec.attrs.contains("product");
  return residual;
}

bool has_conv_kernel(const OpSpec& spec) { return spec.shape_of("weight").size() == 4 && kernel_geometry(spec); }

std::unique_ptr<Op> make_conv2d(const OpSpec& spec, const KernelTable& kernels) {
  const auto& weight = spec.shape_of("weight");
  if (weight.size() != 4) spec.refuse("weights have four axes");
  if (spec.has_codes("weight.codes")) {
    const int64_t terms = weight[1] * weight[2] * weight[3] * spec.grid("input").top() * spec.channel_grids("weight", weight[0]).front().top();
    if (terms >= limits::int32_terms) spec.refuse("more products in a sum than 32 bits hold");
  }
  const auto geometry = kernel_geometry(spec);
  if (!geometry) return make_general_conv(spec, kernels);
  if (spec.attrs.contains("packed_in") && !spec.has_codes("weight.codes")) spec.refuse("floats cannot be multiplied by codes");
  return spec.has_codes("weight.codes") ? make_codes(spec, kernels, *geometry) : make_float(spec, kernels, *geometry);
}

}  // namespace intaglio
