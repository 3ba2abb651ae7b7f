// Test and benchmark access to one transformer block.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>

#include "engine/spec.h"

namespace intaglio {

// (map after the block, codes by site, sums by product): order of `Site` and `Sum`, each (windows, tokens, width).
nanobind::object trace_block(const OpSpec& spec, const std::string& isa,
                             const nanobind::ndarray<const float, nanobind::ndim<3>, nanobind::c_contig, nanobind::device::cpu>& map);

// (seconds a window, seconds a window in each phase): the best of `repeats` runs over all windows of the map, on one thread.
nanobind::object time_block(const OpSpec& spec, const std::string& isa,
                            const nanobind::ndarray<const float, nanobind::ndim<3>, nanobind::c_contig, nanobind::device::cpu>& map, int repeats);

}  // namespace intaglio
