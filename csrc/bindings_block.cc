// Timing a transformer block from Python: the whole and each phase. For benchmarks.
#include "bindings_block.h"

#include <chrono>
#include <cstring>

#include "isa/machine.h"

namespace nb = nanobind;

namespace intaglio {

BlockBench::BlockBench(const OpSpec& spec, const std::string& isa, const MapArray& array) : block(spec, kernel_table(isa)) {
  map.shape = {static_cast<int64_t>(array.shape(0)), static_cast<int64_t>(array.shape(1)), static_cast<int64_t>(array.shape(2))};
  const Operands operands{{Dims{1, map.shape.c, map.shape.h, map.shape.w}}, map.shape.h, map.shape.w, map.shape.h, map.shape.w, 1, 1};
  block.shape(operands);
  map.plane = plane_stride(map.shape.h, map.shape.w);
  values.assign(static_cast<size_t>(map.shape.c * map.plane), 0.0f);
  map.data = values.data();
  load(array);
  scratch.resize(block.workspace(operands).per_thread);
}

void BlockBench::load(const MapArray& array) {
  const int64_t pixels = map.shape.h * map.shape.w;
  for (int64_t c = 0; c < map.shape.c; ++c) std::memcpy(map.channel(c), array.data() + c * pixels, sizeof(float) * static_cast<size_t>(pixels));
}

nb::object time_block(const OpSpec& spec, const std::string& isa, const MapArray& array, int repeats) {
  BlockBench bench(spec, isa, array);
  const int64_t windows = bench.block.windows(bench.map);
  double best = 1e30, best_watched = 1e30;
  PhaseTicks phases;
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < repeats; ++i) {
    bench.load(array);
    auto start = Clock::now();
    bench.block.run_windows(bench.map, 0, windows, bench.scratch.data(), nullptr);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
    bench.load(array);
    PhaseTicks ticks;
    start = Clock::now();
    bench.block.run_windows(bench.map, 0, windows, bench.scratch.data(), &ticks);
    const double watched = std::chrono::duration<double>(Clock::now() - start).count();
    if (watched < best_watched) best_watched = watched, phases = ticks;
  }
  uint64_t total = 0;
  for (uint64_t ticks : phases.ticks) total += ticks;
  nb::dict seconds;
  for (int i = 0; i < static_cast<int>(Phase::count); ++i) {
    seconds[phase_names[i]] = best_watched * static_cast<double>(phases.ticks[i]) / static_cast<double>(total) / static_cast<double>(windows);
  }
  return nb::make_tuple(best / static_cast<double>(windows), seconds);
}

}  // namespace intaglio
