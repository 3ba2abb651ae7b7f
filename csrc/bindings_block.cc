// Looking inside a transformer block from Python: every code and sum of a map, and the time of each phase. For tests and benchmarks.
#include "bindings_block.h"

#include <chrono>
#include <cstring>

#include "engine/error.h"
#include "isa/machine.h"
#include "ops/window_block.h"

namespace nb = nanobind;

namespace intaglio {
namespace {

using MapArray = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;



// A map with the strides of the engine, and scratch for one thread.
struct Bench {
  WindowBlock block;
  Map map;
  std::vector<float> values;
  std::unique_ptr<std::byte, decltype(&std::free)> scratch{nullptr, &std::free};

  Bench(const OpSpec& spec, const std::string& isa, const MapArray& array) : block(spec, kernel_table(isa)) {
    map.shape = {static_cast<int64_t>(array.shape(0)), static_cast<int64_t>(array.shape(1)), static_cast<int64_t>(array.shape(2))};
    const Operands operands{{map.shape}, map.shape.h, map.shape.w, 1};
    block.shape(operands);
    map.plane = plane_stride(map.shape.h, map.shape.w);
    values.assign(static_cast<size_t>(map.shape.c * map.plane), 0.0f);
    map.data = values.data();
    load(array);
    scratch.reset(static_cast<std::byte*>(std::aligned_alloc(64, block.workspace(operands).per_thread)));
    if (!scratch) throw std::bad_alloc();
  }
  void load(const MapArray& array) {
    const int64_t pixels = map.shape.h * map.shape.w;
    for (int64_t c = 0; c < map.shape.c; ++c) std::memcpy(map.channel(c), array.data() + c * pixels, sizeof(float) * static_cast<size_t>(pixels));
  }
};

template <class T>
nb::object owned(std::vector<T>&& values, std::initializer_list<size_t> shape) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T>(kept->data(), shape, owner));
}

}  // namespace

nb::object trace_block(const OpSpec& spec, const std::string& isa, const MapArray& array) {
  Bench bench(spec, isa, array);
  const BlockShape& shape = bench.block.block_shape();
  const auto windows = static_cast<size_t>(bench.block.windows(bench.map)), tokens = static_cast<size_t>(shape.tokens);
  const auto dim = static_cast<size_t>(shape.dim), hidden = static_cast<size_t>(shape.hidden), square = static_cast<size_t>(shape.heads) * tokens;
  const size_t site_width[] = {dim, dim, dim, dim, dim, dim, square, dim, dim, hidden};
  const size_t sum_width[] = {dim, dim, dim, square, dim, dim, hidden, dim};
  std::vector<std::vector<uint8_t>> codes;
  std::vector<std::vector<int32_t>> sums;
  BlockTrace trace;
  for (size_t width : site_width) codes.emplace_back(windows * tokens * width);
  for (size_t width : sum_width) sums.emplace_back(windows * tokens * width);
  for (size_t i = 0; i < codes.size(); ++i) trace.codes[i] = codes[i].data();
  for (size_t i = 0; i < sums.size(); ++i) trace.sums[i] = sums[i].data();
  bench.block.run_windows(bench.map, 0, static_cast<int64_t>(windows), bench.scratch.get(), nullptr, &trace);
  nb::list code_list, sum_list;
  for (size_t i = 0; i < codes.size(); ++i) code_list.append(owned(std::move(codes[i]), {windows, tokens, site_width[i]}));
  for (size_t i = 0; i < sums.size(); ++i) sum_list.append(owned(std::move(sums[i]), {windows, tokens, sum_width[i]}));
  const auto c = static_cast<size_t>(bench.map.shape.c), h = static_cast<size_t>(bench.map.shape.h), w = static_cast<size_t>(bench.map.shape.w);
  std::vector<float> out(c * h * w);
  for (size_t i = 0; i < c; ++i) std::memcpy(&out[i * h * w], bench.map.channel(static_cast<int64_t>(i)), sizeof(float) * h * w);
  return nb::make_tuple(owned(std::move(out), {c, h, w}), code_list, sum_list);
}

nb::object time_block(const OpSpec& spec, const std::string& isa, const MapArray& array, int repeats) {
  Bench bench(spec, isa, array);
  const int64_t windows = bench.block.windows(bench.map);
  double best = 1e30, best_watched = 1e30;
  PhaseTicks phases;
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < repeats; ++i) {
    bench.load(array);
    auto start = Clock::now();
    bench.block.run_windows(bench.map, 0, windows, bench.scratch.get(), nullptr, nullptr);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
    bench.load(array);
    PhaseTicks ticks;
    start = Clock::now();
    bench.block.run_windows(bench.map, 0, windows, bench.scratch.get(), &ticks, nullptr);
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
