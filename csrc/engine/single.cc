#include "engine/single.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <new>

#include "engine/error.h"
#include "engine/op.h"
#include "isa/machine.h"
#include "ops/registry.h"

namespace intaglio {
namespace {

constexpr size_t alignment = 64;
constexpr float untouched = -3.1415926e33f;  // what no operation writes

// 64-byte aligned floats that begin as `fill`.
struct Buffer {
  Buffer(size_t count, float fill) : floats(static_cast<float*>(::operator new((count + 16) * sizeof(float), std::align_val_t{alignment}))) {
    std::fill_n(floats, count + 16, fill);
  }
  ~Buffer() { ::operator delete(floats, std::align_val_t{alignment}); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  float* floats;
};

struct OwnedMap {
  OwnedMap(const Shape& shape, float fill)
      : stride(plane_stride(shape.h, shape.w)), buffer(static_cast<size_t>(shape.c * stride), fill), map{buffer.floats, shape, stride} {}
  int64_t stride;
  Buffer buffer;
  Map map;
};

// Between the planes is NaN: whoever uses it, rather than only reading it, shows.
std::unique_ptr<OwnedMap> spread(const DenseMap& dense) {
  auto owned = std::make_unique<OwnedMap>(dense.shape, NAN);
  const size_t pixels = static_cast<size_t>(dense.shape.h * dense.shape.w);
  for (int64_t c = 0; c < dense.shape.c; ++c) {
    std::memcpy(owned->map.channel(c), dense.values.data() + static_cast<size_t>(c) * pixels, pixels * sizeof(float));
  }
  return owned;
}

DenseMap gather(const Map& map) {
  DenseMap dense{map.shape, {}};
  const int64_t pixels = map.shape.h * map.shape.w;
  for (int64_t c = 0; c < map.shape.c; ++c) {
    const float* plane = map.channel(c);
    if (std::any_of(plane + pixels, plane + map.plane, [](float x) { return x != untouched; })) throw Error("an operation wrote beyond a plane of its output");
    dense.values.insert(dense.values.end(), plane, plane + pixels);
  }
  return dense;
}

}  // namespace

SingleRun run_single(const OpSpec& spec, const std::string& isa, int threads, const std::vector<DenseMap>& inputs, int repeats) {
  const std::unique_ptr<Op> op = make_op(spec, kernel_table(isa));
  Operands operands;
  std::vector<std::unique_ptr<OwnedMap>> owned;
  Pool pool(threads);
  Context context{{}, {}, {}, {}, pool, nullptr, 0, nullptr};
  for (const DenseMap& input : inputs) {
    owned.push_back(spread(input));
    operands.in.push_back(input.shape);
    context.in.push_back(owned.back()->map);
  }
  OwnedMap out(op->shape(operands), untouched);
  context.out = out.map;
  const Workspace workspace = op->workspace(operands);
  context.scratch_stride = (workspace.per_thread + alignment - 1) / alignment * alignment;
  const Buffer scratch(context.scratch_stride / sizeof(float) * static_cast<size_t>(pool.threads()), NAN), shared(workspace.shared / sizeof(float) + 1, NAN);
  context.scratch_base = reinterpret_cast<std::byte*>(scratch.floats);
  context.shared_base = reinterpret_cast<std::byte*>(shared.floats);
  double seconds = INFINITY;
  for (int repeat = 0; repeat < std::max(repeats, 1); ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    op->run(context);
    seconds = std::min(seconds, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return {gather(out.map), seconds};
}

}  // namespace intaglio
