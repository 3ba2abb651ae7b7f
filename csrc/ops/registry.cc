#include "ops/registry.h"

#include "ops/factories.h"

namespace intaglio {
namespace {

struct Entry {
  const char* kind;
  std::unique_ptr<Op> (*make)(const OpSpec&, const KernelTable&);
  int fewest, most;  // inputs
  bool internal = false;  // made by fusion only
};

constexpr Entry entries[] = {
    {"input", make_input, 0, 0},
    {"output", make_output, 1, 1},
    {"conv2d", make_conv2d, 1, 1},
    {"linear", make_linear, 1, 1},
    {"matmul", make_matmul, 2, 2},
    {"softmax", make_softmax, 1, 1},
    {"layer_norm", make_layer_norm, 1, 1},
    {"normalize", make_normalize, 1, 1},
    {"activation", make_activation, 1, 1},
    {"affine", make_affine, 1, 1},
    {"add", make_add, 2, 2},
    {"sub", make_sub, 2, 2},
    {"mul", make_mul, 2, 2},
    {"div", make_div, 2, 2},
    {"maximum", make_maximum, 2, 2},
    {"minimum", make_minimum, 2, 2},
    {"reduce", make_reduce, 1, 1},
    {"reshape", make_reshape, 1, 1},
    {"permute", make_permute, 1, 1},
    {"expand", make_expand, 1, 1},
    {"slice", make_slice, 1, 1},
    {"concat", make_concat, 2, 64},
    {"pad", make_pad, 1, 1},
    {"roll", make_roll, 1, 1},
    {"take", make_take, 1, 1},
    {"pool2d", make_pool2d, 1, 1},
    {"resize", make_resize, 1, 2},
    {"pixel_shuffle", make_pixel_shuffle, 1, 1},
    {"pixel_unshuffle", make_pixel_unshuffle, 1, 1},
    {"constant", make_constant, 0, 0},
    {"position_bias", make_position_bias, 0, 0},
    {"shift_mask", make_shift_mask, 0, 0},
    {"unfold", make_unfold, 1, 1},
    {"fused_conv", make_conv2d, 1, 2, true},  // a second input is added to the result
    {"window_block", make_window_block, 1, 1, true},
    {"attention", make_attention, 3, 3, true},
    {"channel_norm", make_channel_norm, 1, 1, true},
    {"scaled_add", make_scaled_add, 2, 2, true},
    {"planes_of", make_planes_of, 1, 1, true},
};

}  // namespace

bool is_internal(const std::string& kind) {
  for (const Entry& entry : entries) {
    if (kind == entry.kind) return entry.internal;
  }
  return false;
}

std::unique_ptr<Op> make_op(const OpSpec& spec, const KernelTable& kernels) {
  for (const Entry& entry : entries) {
    if (spec.kind != entry.kind) continue;
    const int count = static_cast<int>(spec.inputs.size());
    if (count < entry.fewest || count > entry.most) spec.refuse("has " + std::to_string(count) + " inputs");
    return entry.make(spec, kernels);
  }
  spec.refuse("is of a kind this engine does not know");
}

}  // namespace intaglio
