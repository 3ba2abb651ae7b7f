// Test access to the inside of one transformer block.
#pragma once

#include "bindings_block.h"

namespace intaglio {

// (map after the block, codes by site, sums by product): order of `Site` and `Sum`, each (windows, tokens, width).
nanobind::object trace_block(const OpSpec& spec, const std::string& isa, const MapArray& array);

}  // namespace intaglio
