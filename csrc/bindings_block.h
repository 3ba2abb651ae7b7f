// Benchmark access to one transformer block.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>
#include <vector>

#include "engine/spec.h"
#include "ops/aligned.h"
#include "ops/window_block.h"

namespace intaglio {

using MapArray = nanobind::ndarray<const float, nanobind::ndim<3>, nanobind::c_contig, nanobind::device::cpu>;

// A block, a map with the strides of the engine, and scratch for one thread.
struct BlockBench {
  WindowBlock block;
  Map map;
  std::vector<float> values;
  AlignedVector<std::byte> scratch;

  BlockBench(const OpSpec& spec, const std::string& isa, const MapArray& array);
  void load(const MapArray& array);
};

// (seconds a window, seconds a window in each phase): the best of `repeats` runs over all windows of the map, on one thread.
nanobind::object time_block(const OpSpec& spec, const std::string& isa, const MapArray& array, int repeats);

}  // namespace intaglio
