#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "engine/error.h"
#include "engine/limits.h"
#include "engine/plan.h"
#include "engine/verify.h"
#include "fuse/fuse.h"
#include "isa/machine.h"
#include "ops/registry.h"

namespace intaglio {
namespace {

constexpr size_t alignment = 64;

size_t aligned(size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

size_t bytes_of(const Dims& dims, int64_t plane) {
  const int64_t floats = plane ? dims[1] * plane : dims.count();
  return aligned(static_cast<size_t>(floats) * sizeof(float));
}

// Of a value for a padded picture of h by w.
void check_extent(const std::string& name, const Dims& dims, int64_t h, int64_t w) {
  int64_t count = 1;
  bool sound = dims.rank <= max_rank;
  for (int axis = 0; axis < dims.rank; ++axis) sound = sound && dims[axis] >= 1 && !__builtin_mul_overflow(count, dims[axis], &count);
  constexpr int64_t most = int64_t{1} << 45;  // of the largest picture for which a file is checked
  if (!sound || count > std::min(most, limits::max_per_pixel * h * w + limits::max_beside)) {
    throw Error("operation '" + name + "' yields a value of unsupported size; use a smaller picture");
  }
}

// Bytes are counted in size_t: where that has 32 bits, some scratch may be a multiple of a value, and their sum must not leave it.
void check_addressable(const std::string& name, const Dims& dims) {
  if (sizeof(size_t) == 4 && dims.count() > int64_t{1} << 26) throw Error("operation '" + name + "' yields more than 32 bits address; cut the picture into tiles");
}

}  // namespace

// `in` are indices of the steps whose values are read; `last_read` is the last step that reads its value, `spread` whether all readers take planes that
// lie apart.
struct Engine::Step {
  std::string kind, name;
  std::shared_ptr<const Op> op;
  std::vector<int> in;
  int last_read = -1;
  bool spread = true;
};

// By step: the shape of its value, the distance of its planes, the buffer that holds it (that of the step that wrote it first, so that several
// values may share one), or the place outside of the arena.
struct Engine::Plan {
  int64_t h = 0, w = 0, padded_h = 0, padded_w = 0;
  std::vector<Dims> dims;
  std::vector<int64_t> planes;
  std::vector<int> buffers;
  std::vector<const float*> outside;
  std::vector<Lifetime> lifetimes;
  Placement placement;  // by buffer
  size_t scratch_stride = 0, scratch_at = 0, shared_at = 0, bytes = 0;
};

// Large arenas lie on large pages where the system gives them: a window of 60 channels touches 60 planes, more pages of 4 KiB than the processor's first
// table of them holds.
struct Engine::Arena {
  explicit Arena(size_t size) : bytes(size), data(allocate(size)) {}
  ~Arena() { ::operator delete(data, std::align_val_t{unit_of(bytes)}); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  static constexpr size_t page = size_t{2} << 20;
  static size_t unit_of(size_t size) { return size >= 2 * page ? page : alignment; }
  static std::byte* allocate(size_t size) {
    const size_t unit = unit_of(size);
    void* data = ::operator new((size + unit - 1) / unit * unit, std::align_val_t{unit});
#if defined(__linux__)
    if (unit == page) madvise(data, size, MADV_HUGEPAGE);  // a wish: refusal is no error
#endif
    return static_cast<std::byte*>(data);
  }
  size_t bytes;
  std::byte* data;
};

void refuse_shapes(const char* kind, const char* expected) {
  throw Error(std::string("'") + kind + "' reads values of other shapes, expected " + expected + "; use a larger picture or pack the model again");
}

Engine::Engine(std::vector<OpSpec> specs, int64_t scale, const Options& options)
    : kernels_(kernel_table(options.isa)), scale_(scale), limit_(options.memory) {
  if (scale < 1 || scale > limits::max_scale) throw Error("scale " + std::to_string(scale) + " is outside 1 to 16; pack the model again");
  verify(specs);
  channels_in_ = specs.front().integer("channels", 1, 16);
  channels_out_ = static_cast<int64_t>(specs.back().numbers("mean").size());
  if (options.fuse) {
    Fused fused = fuse(std::move(specs), kernels_);
    specs = std::move(fused.specs), remarks_ = std::move(fused.remarks);
  }
  wire(specs);
  pool_ = std::make_unique<Pool>(std::clamp(options.threads, 1, 256));
}

Engine::~Engine() = default;

void Engine::wire(const std::vector<OpSpec>& specs) {
  std::map<std::string, int> written;
  for (const OpSpec& spec : specs) {
    const int index = static_cast<int>(steps_.size());
    Step step{spec.kind, spec.name, spec.made ? spec.made : make_op(spec, kernels_), {}};
    for (size_t k = 0; k < spec.inputs.size(); ++k) {
      const auto found = written.find(spec.inputs[k]);
      if (found == written.end()) spec.refuse("reads '" + spec.inputs[k] + "' before it is written");
      step.in.push_back(found->second);
      Step& writer = steps_[static_cast<size_t>(found->second)];
      writer.last_read = index;
      writer.spread = writer.spread && step.op->planes(static_cast<int>(k));
    }
    written.emplace(spec.output, index);
    lines_.push_back({spec.kind, spec.name, spec.parts});
    steps_.push_back(std::move(step));
  }
}

// Which buffer a step writes to, and how its planes lie. `last_of_buffer` is the last step that reads any value of a buffer.
void Engine::give_buffer(Plan& plan, size_t at, const Operands& operands, std::vector<int>& last_of_buffer) const {
  const Step& step = steps_[at];
  const Dims& dims = plan.dims[at];
  const auto spread_input = [&](size_t k) { return operands.in[k] == dims && plan.planes[static_cast<size_t>(step.in[k])] > 0; };
  bool spread = step.spread && dims.is_map() && step.op->layout() != Layout::dense;
  if (spread && step.op->layout() == Layout::as_input) {
    bool any = false;
    for (size_t k = 0; k < step.in.size(); ++k) any = any || spread_input(k);
    spread = any;
  }
  plan.planes.push_back(spread ? plane_stride(dims[2], dims[3]) : 0);
  plan.outside.push_back(step.op->constant());
  int buffer = static_cast<int>(at);
  if (step.op->renames()) {
    const auto input = static_cast<size_t>(step.in[0]);
    buffer = plan.buffers[input];
    plan.outside.back() = plan.outside[input];
  }
  for (size_t k = 0; k < step.in.size() && buffer == static_cast<int>(at); ++k) {
    const auto input = static_cast<size_t>(step.in[k]);
    const int shared = plan.buffers[input];
    const auto reads = std::count_if(step.in.begin(), step.in.end(), [&](int one) { return plan.buffers[static_cast<size_t>(one)] == shared; });
    const bool free = !plan.outside[input] && reads == 1 && last_of_buffer[static_cast<size_t>(shared)] == static_cast<int>(at);
    if (step.op->in_place(static_cast<int>(k)) && free && operands.in[k] == dims && plan.planes[input] == plan.planes[at]) buffer = shared;
  }
  plan.buffers.push_back(buffer);
  last_of_buffer.push_back(-1);
  last_of_buffer[static_cast<size_t>(buffer)] = std::max(last_of_buffer[static_cast<size_t>(buffer)], step.last_read);
  Lifetime& life = plan.lifetimes[static_cast<size_t>(buffer)];
  if (buffer == static_cast<int>(at)) life.born = static_cast<int>(at);
  life.dies = std::max({life.dies, static_cast<int>(at), step.last_read});
  if (!plan.outside.back()) life.bytes = std::max(life.bytes, bytes_of(dims, plan.planes[at]));
}

// The shapes of the values, in order; visit(step, operands) after each.
template <class Visit>
void Engine::walk(Plan& plan, int64_t h, int64_t w, Visit visit) const {
  if (h < 1 || w < 1 || h > limits::max_side || w > limits::max_side) throw Error("the picture is empty or larger than a million pixels a side");
  plan.h = h, plan.w = w;
  Operands operands{{}, h, w, h, w, scale_, pool_->threads()};
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    operands.in.clear();
    for (int input : step.in) operands.in.push_back(plan.dims[static_cast<size_t>(input)]);
    const Dims dims = step.op->shape(operands);
    if (i == 0) operands.padded_h = dims[2], operands.padded_w = dims[3];
    plan.dims.push_back(dims);
    check_extent(step.name, dims, operands.padded_h, operands.padded_w);
    visit(i, operands);
  }
  plan.padded_h = operands.padded_h, plan.padded_w = operands.padded_w;
}

void Engine::check(int64_t h, int64_t w) const {
  Plan plan;
  walk(plan, h, w, [](size_t, const Operands&) {});
}

Engine::Plan Engine::plan(int64_t h, int64_t w) const {
  Plan plan;
  plan.lifetimes.resize(steps_.size());
  std::vector<int> last_of_buffer;
  size_t per_thread = 0, shared = 0;
  walk(plan, h, w, [&](size_t i, const Operands& operands) {
    const Step& step = steps_[i];
    check_addressable(step.name, plan.dims[i]);
    const Workspace workspace = step.op->workspace(operands);
    per_thread = std::max(per_thread, aligned(workspace.per_thread));
    shared = std::max(shared, aligned(workspace.shared));
    if (i + 1 < steps_.size()) give_buffer(plan, i, operands, last_of_buffer);
  });
  plan.placement = place(plan.lifetimes);
  plan.scratch_stride = per_thread;
  plan.scratch_at = aligned(plan.placement.bytes);
  plan.shared_at = plan.scratch_at + per_thread * static_cast<size_t>(pool_->threads());
  plan.bytes = plan.shared_at + shared + alignment;
  return plan;
}

size_t Engine::memory(int64_t h, int64_t w) const { return plan(h, w).bytes; }

void Engine::prepare(int64_t h, int64_t w) {
  if (!plan_ || plan_->h != h || plan_->w != w) {
    plan_.reset();
    plan_ = std::make_unique<Plan>(plan(h, w));
  }
  if (limit_ && plan_->bytes > limit_) {
    throw Error("this picture needs " + std::to_string(plan_->bytes >> 20) + " MiB, the bound is " + std::to_string(limit_ >> 20) +
                " MiB; raise the bound on memory or use a smaller picture");
  }
}

bool Engine::run(const Picture& picture, const MutablePicture& result, std::vector<OpTime>* times, const Watch& watch) {
  prepare(picture.h, picture.w);
  const Plan& plan = *plan_;
  try {
    if (!arena_ || arena_->bytes < plan.bytes) {
      arena_.reset();
      arena_ = std::make_unique<Arena>(plan.bytes);
    }
  } catch (const std::bad_alloc&) {
    throw Error("out of memory: this picture needs " + std::to_string(plan.bytes >> 20) + " MiB; give a bound on memory or use a smaller picture");
  }
  std::byte* base = arena_->data;
  const auto value_of = [&](size_t at) {
    if (at + 1 == steps_.size()) return Tensor{};
    if (const float* outside = plan.outside[at]) return Tensor{const_cast<float*>(outside), plan.dims[at], 0};  // nobody writes to it
    std::byte* data = base + plan.placement.offsets[static_cast<size_t>(plan.buffers[at])];
    return Tensor{reinterpret_cast<float*>(data), plan.dims[at], plan.planes[at]};
  };
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    Context context{{}, value_of(i), picture, result, plan.padded_h, plan.padded_w, *pool_, base + plan.scratch_at, plan.scratch_stride, base + plan.shared_at};
    for (int input : step.in) context.in.push_back(value_of(static_cast<size_t>(input)));
    const auto start = std::chrono::steady_clock::now();
    if (!step.op->renames() && !step.op->constant()) step.op->run(context);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    if (times) times->push_back({step.kind, step.name, spent.count()});
    if (watch && !watch(i + 1, steps_.size())) return false;
  }
  return true;
}

}  // namespace intaglio
