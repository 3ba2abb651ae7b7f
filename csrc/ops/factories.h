// The factories that the registry lists, one for each kind of operation.
#pragma once

#include <memory>

#include "engine/op.h"
#include "engine/spec.h"

namespace intaglio {

#define INTAGLIO_FACTORY(kind) std::unique_ptr<Op> make_##kind(const OpSpec& spec, const KernelTable& kernels)
INTAGLIO_FACTORY(picture);
INTAGLIO_FACTORY(output);
INTAGLIO_FACTORY(window_block);
INTAGLIO_FACTORY(add);
INTAGLIO_FACTORY(conv2d);
INTAGLIO_FACTORY(layer_norm);
INTAGLIO_FACTORY(mul);
INTAGLIO_FACTORY(activation);
INTAGLIO_FACTORY(pixel_shuffle);
INTAGLIO_FACTORY(nearest);
INTAGLIO_FACTORY(bilinear);
INTAGLIO_FACTORY(bilinear_scale);
INTAGLIO_FACTORY(global_mean);
INTAGLIO_FACTORY(max_pool);
INTAGLIO_FACTORY(concat);
#undef INTAGLIO_FACTORY

}  // namespace intaglio
