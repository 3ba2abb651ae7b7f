#include "engine/single.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <new>

#include "engine/error.h"
#include "engine/op.h"
#include "engine/verify.h"
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

struct OwnedTensor {
  OwnedTensor(const Dims& dims, bool spread, float fill)
      : plane(spread && dims.is_map() ? plane_stride(dims[2], dims[3]) : 0),
        count(plane ? dims[1] * plane : dims.count()),
        buffer(static_cast<size_t>(count), fill),
        tensor{buffer.floats, dims, plane} {}
  int64_t plane, count;
  Buffer buffer;
  Tensor tensor;
};

// Between the planes is NaN: whoever uses it, rather than only reading it, shows.
std::unique_ptr<OwnedTensor> spread(const DenseTensor& dense, bool apart) {
  auto owned = std::make_unique<OwnedTensor>(dense.dims, apart, NAN);
  const Tensor& tensor = owned->tensor;
  for (int64_t run = 0; run < tensor.runs(); ++run) {
    std::memcpy(tensor.run(run), dense.values.data() + run * tensor.run_length(), static_cast<size_t>(tensor.run_length()) * sizeof(float));
  }
  return owned;
}

DenseTensor gather(const OwnedTensor& owned) {
  const Tensor& tensor = owned.tensor;
  DenseTensor dense{tensor.dims, {}};
  const float* end = owned.buffer.floats + owned.count + 16;
  for (int64_t run = 0; run < tensor.runs(); ++run) {
    const float* values = tensor.run(run);
    const float* gap = values + tensor.run_length();
    const float* next = run + 1 < tensor.runs() ? tensor.run(run + 1) : end;
    if (std::any_of(gap, next, [](float x) { return x != untouched; })) throw Error("an operation wrote beyond a plane of its output");
    dense.values.insert(dense.values.end(), values, gap);
  }
  return dense;
}

}  // namespace

SingleRun run_single(const OpSpec& spec, const std::string& isa, int threads, const std::vector<DenseTensor>& inputs, int64_t h, int64_t w, int repeats) {
  if (!is_internal(spec.kind)) verify(spec);
  const std::unique_ptr<Op> op = make_op(spec, kernel_table(isa));
  Pool pool(threads);
  Operands operands{{}, h, w, h, w, 1, pool.threads()};
  std::vector<std::unique_ptr<OwnedTensor>> owned;
  Context context{{}, {}, {}, {}, h, w, pool, nullptr, 0, nullptr};
  for (size_t k = 0; k < inputs.size(); ++k) {
    owned.push_back(spread(inputs[k], op->planes(static_cast<int>(k))));
    operands.in.push_back(inputs[k].dims);
    context.in.push_back(owned.back()->tensor);
  }
  const Dims dims = op->shape(operands);
  if (op->renames()) return {{dims, inputs.at(0).values}, 0.0};
  if (op->constant()) return {{dims, {op->constant(), op->constant() + dims.count()}}, 0.0};
  OwnedTensor out(dims, op->layout() != Layout::dense, untouched);
  context.out = out.tensor;
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
  return {gather(out), seconds};
}

}  // namespace intaglio
