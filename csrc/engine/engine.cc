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
#include "engine/fuse.h"
#include "engine/plan.h"
#include "isa/machine.h"
#include "ops/registry.h"

namespace intaglio {
namespace {

constexpr size_t alignment = 64;
constexpr int64_t largest_side = int64_t{1} << 20;

size_t aligned(size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

size_t bytes_of(const Shape& shape) {
  return aligned(static_cast<size_t>(shape.c) * static_cast<size_t>(plane_stride(shape.h, shape.w)) * sizeof(float));
}

void check_extent(const Shape& shape) {
  const bool sound = shape.c > 0 && shape.h > 0 && shape.w > 0 && shape.c <= (1 << 16) && shape.h <= largest_side && shape.w <= largest_side;
  if (!sound) throw Error("an operation yields a map of unsupported size; use a smaller picture");
}

}  // namespace

// `in` are indices of the steps whose values are read. A value that takes over its input's buffer shares its `buffer`.
struct Engine::Step {
  std::string kind, name;
  std::unique_ptr<Op> op;
  std::vector<int> in;
  int buffer = -1;
};

struct Engine::Plan {
  std::vector<Shape> shapes;
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

Engine::Engine(std::vector<OpSpec> specs, int64_t scale, const Options& options)
    : kernels_(kernel_table(options.isa)), scale_(scale), limit_(options.memory) {
  if (scale < 1 || scale > 16) throw Error("scale " + std::to_string(scale) + " is outside 1 to 16; pack the model again");
  wire(fuse_sums(std::move(specs)));
  pool_ = std::make_unique<Pool>(std::clamp(options.threads, 1, 256));
}

Engine::~Engine() = default;

void Engine::wire(const std::vector<OpSpec>& specs) {
  if (specs.size() < 2 || specs.front().kind != "picture" || specs.back().kind != "output") {
    throw Error("a program goes from 'picture' to 'output'; this one does not, pack the model again");
  }
  std::map<std::string, int> written;
  std::vector<int> last_read(specs.size(), -1);
  for (size_t i = 0; i < specs.size(); ++i) {
    const OpSpec& spec = specs[i];
    const bool end = (spec.kind == "picture") != (i == 0) || (spec.kind == "output") != (i + 1 == specs.size());
    if (end) spec.refuse("'picture' comes first and 'output' last, each once");
    Step step{spec.kind, spec.name, make_op(spec, kernels_), {}, -1};
    for (const std::string& input : spec.inputs) {
      const auto found = written.find(input);
      if (found == written.end()) spec.refuse("reads '" + input + "' before it is written");
      step.in.push_back(found->second);
      last_read[static_cast<size_t>(found->second)] = static_cast<int>(i);
    }
    if (!written.emplace(spec.output, static_cast<int>(i)).second) spec.refuse("writes '" + spec.output + "' a second time");
    steps_.push_back(std::move(step));
  }
  for (size_t i = 0; i < steps_.size(); ++i) {
    Step& step = steps_[i];
    const int shared = step.op->in_place();
    step.buffer = static_cast<int>(i);
    if (shared < 0 || shared >= static_cast<int>(step.in.size())) continue;
    const int input = step.in[static_cast<size_t>(shared)];
    const bool read_once = std::count(step.in.begin(), step.in.end(), input) == 1;
    if (read_once && last_read[static_cast<size_t>(input)] == static_cast<int>(i)) step.buffer = steps_[static_cast<size_t>(input)].buffer;
  }
}

Engine::Plan Engine::plan(int64_t h, int64_t w) const {
  if (h < 1 || w < 1 || h > largest_side || w > largest_side) throw Error("the picture is empty or larger than a million pixels a side");
  Plan plan;
  std::vector<Lifetime> lifetimes(steps_.size());
  size_t per_thread = 0, shared = 0;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    Operands operands{{}, h, w, scale_};
    for (int input : step.in) {
      operands.in.push_back(plan.shapes[static_cast<size_t>(input)]);
      const size_t buffer = static_cast<size_t>(steps_[static_cast<size_t>(input)].buffer);
      lifetimes[buffer].dies = static_cast<int>(i);
    }
    const Shape shape = step.op->shape(operands);
    plan.shapes.push_back(shape);
    const Workspace workspace = step.op->workspace(operands);
    per_thread = std::max(per_thread, aligned(workspace.per_thread));
    shared = std::max(shared, aligned(workspace.shared));
    if (i + 1 == steps_.size()) break;
    check_extent(shape);
    Lifetime& life = lifetimes[static_cast<size_t>(step.buffer)];
    if (step.buffer == static_cast<int>(i)) life.born = static_cast<int>(i);
    life.bytes = std::max(life.bytes, bytes_of(shape));
    life.dies = std::max(life.dies, static_cast<int>(i));
  }
  plan.placement = place(lifetimes);
  plan.scratch_stride = per_thread;
  plan.scratch_at = aligned(plan.placement.bytes);
  plan.shared_at = plan.scratch_at + per_thread * static_cast<size_t>(pool_->threads());
  plan.bytes = plan.shared_at + shared + alignment;
  return plan;
}

size_t Engine::memory(int64_t h, int64_t w) const { return plan(h, w).bytes; }

void Engine::run(const Picture& picture, const MutablePicture& result, std::vector<OpTime>* times) {
  const Plan plan = this->plan(picture.h, picture.w);
  if (limit_ && plan.bytes > limit_) {
    throw Error("this picture needs " + std::to_string(plan.bytes >> 20) + " MiB, the bound is " + std::to_string(limit_ >> 20) +
                " MiB; raise the bound on memory or use a smaller picture");
  }
  try {
    if (!arena_ || arena_->bytes < plan.bytes) {
      arena_.reset();
      arena_ = std::make_unique<Arena>(plan.bytes);
    }
  } catch (const std::bad_alloc&) {
    throw Error("out of memory: this picture needs " + std::to_string(plan.bytes >> 20) + " MiB; give a bound on memory or use a smaller picture");
  }
  std::byte* base = arena_->data;
  auto map_of = [&](int step) {
    const size_t at = static_cast<size_t>(step);
    const Shape shape = plan.shapes[at];
    std::byte* data = base + plan.placement.offsets[static_cast<size_t>(steps_[at].buffer)];
    return Map{reinterpret_cast<float*>(data), shape, plane_stride(shape.h, shape.w)};
  };
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    Context context{{}, map_of(static_cast<int>(i)), picture, result, *pool_, base + plan.scratch_at, plan.scratch_stride, base + plan.shared_at};
    for (int input : step.in) context.in.push_back(map_of(input));
    const auto start = std::chrono::steady_clock::now();
    step.op->run(context);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    if (times) times->push_back({step.kind, step.name, spent.count()});
  }
}

}  // namespace intaglio
