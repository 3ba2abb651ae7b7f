// window_block as probes run it: with args.trace filled in. No intrinsics here.
#pragma once

#include <string_view>

#include "kernels/block_args.h"

namespace intaglio {

using TracedBlock = void (*)(const WindowBlockArgs&);

// For the instruction set `isa`, which must be one that kernel_table() accepted.
TracedBlock traced_block(std::string_view isa);

}  // namespace intaglio
