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
    {"conv2d", make_conv2d, 1, 1},
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
