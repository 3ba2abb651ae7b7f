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
#undef INTAGLIO_FACTORY

}  // namespace intaglio
