#include "ops/registry.h"

#include "ops/factories.h"

namespace intaglio {
namespace {

struct Entry {
  const char* kind;
  std::unique_ptr<Op> (*make)(const OpSpec&, const KernelTable&);
  int fewest, most;  // inputs
};

constexpr Entry entries[] = {
    {"picture", make_picture, 0, 0},
    {"output", make_output, 1, 1},
    {"window_block", make_window_block, 1, 1},
    {"add", make_add, 2, 2},
    {"conv2d", make_conv2d, 1, 2},  // a second one is added to the result (engine/fuse.h)
    {"layer_norm", make_layer_norm, 1, 1},
    {"mul", make_mul, 2, 2},
    {"activation", make_activation, 1, 1},
    {"pixel_shuffle", make_pixel_shuffle, 1, 1},
    {"nearest", make_nearest, 1, 1},
    {"bilinear", make_bilinear, 2, 2},
    {"bilinear_scale", make_bilinear_scale, 1, 1},
    {"global_mean", make_global_mean, 1, 1},
    {"max_pool", make_max_pool, 1, 1},
    {"concat", make_concat, 2, 8},
};

}  // namespace

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
