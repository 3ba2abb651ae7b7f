#include "engine/engine_plan.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "engine/error.h"
#include "engine/limits.h"
#include "engine/verify.h"
#include "fuse/fuse.h"
#include "isa/machine.h"
#include "ops/registry.h"

namespace intaglio {
namespace {

constexpr size_t alignment = 64;

}  // namespace

// What a run is given.
struct Engine::Run {
  const Plan& plan;
  const Picture& picture;
  const MutablePicture& result;
  std::vector<OpTime>* times;
  const Watch& watch;
  std::byte* base;
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
    : kernels_(kernel_table(options.isa)), scale_(scale), limit_(options.memory), strip_bytes_(options.fuse ? options.strip_bytes : int64_t{1} << 50) {
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
  for (size_t at = steps_.size(); at-- > 0;) {  // another name for planes does not set them apart
    if (!steps_[at].op->renames()) continue;
    Step& writer = steps_[static_cast<size_t>(steps_[at].in[0])];
    writer.spread = writer.spread && steps_[at].spread;
  }
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
  Run one{plan, picture, result, times, watch, arena_->data};
  if (times) {
    for (const Step& step : steps_) times->push_back({step.kind, step.name, 0.0});
  }
  for (size_t i = 0, next; i < steps_.size(); i = next) {
    const int group = plan.group_of[i];
    next = group < 0 ? i + 1 : plan.groups[static_cast<size_t>(group)].last;
    if (group >= 0) {
      if (!run_group(one, plan.groups[static_cast<size_t>(group)])) return false;
    } else {
      run_step(one, i, {}, {0, -1});
      if (watch && !watch(next, steps_.size())) return false;
    }
  }
  return true;
}

// `firsts` are, by step of its group, the rows with which buffers begin.
void Engine::run_step(const Run& run, size_t at, const std::vector<int64_t>& firsts, Rows rows) const {
  const Plan& plan = run.plan;
  const Step& step = steps_[at];
  if (step.op->renames() || step.op->constant()) return;
  const auto value_of = [&](size_t value) {
    if (value + 1 == steps_.size()) return Tensor{};
    if (const float* outside = plan.outside[value]) return Tensor{const_cast<float*>(outside) + plan.offsets[value], plan.dims[value], 0};  // nobody writes to it
    const auto buffer = static_cast<size_t>(plan.buffers[value]);
    float* data = reinterpret_cast<float*>(run.base + plan.placement.offsets[buffer]) + plan.offsets[value];
    if (plan.rows[buffer]) data -= firsts[buffer - plan.groups[static_cast<size_t>(plan.group_of[at])].first] * plan.dims[value][3];
    return Tensor{data, plan.dims[value], plan.planes[value]};
  };
  Context context{{}, value_of(at), run.picture, run.result, plan.padded_h, plan.padded_w, *pool_, run.base + plan.scratch_at, plan.scratch_stride,
                  run.base + plan.shared_at, rows};
  for (int input : step.in) context.in.push_back(value_of(static_cast<size_t>(input)));
  const auto start = std::chrono::steady_clock::now();
  step.op->run(context);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  if (run.times) (*run.times)[at].seconds += spent.count();
}

bool Engine::run_group(const Run& run, const Group& group) const {
  const size_t all = group.last - group.first;
  std::vector<int64_t> ends(all, 0), firsts(all, 0);
  for (int64_t strip = 0; strip < group.strips.count(); ++strip) {
    const auto next = group.strips.ends(strip), kept = group.strips.kept(ends);
    for (size_t i = 0; i < all; ++i) {
      const size_t at = group.first + i;
      if (next[i] == ends[i]) continue;
      if (const int64_t rows = run.plan.rows[at]; rows && next[i] - firsts[i] > rows) {
        move_rows(run, at, {kept[i] - firsts[i], ends[i] - firsts[i]});
        firsts[i] = kept[i];
      }
      run_step(run, at, firsts, {ends[i], next[i]});
    }
    ends = next;
    const auto done = static_cast<size_t>(group.strips.count() - 1 == strip ? static_cast<int64_t>(all) : static_cast<int64_t>(all) * (strip + 1) / (group.strips.count() + 1));
    if (run.watch && !run.watch(group.first + done, steps_.size())) return false;
  }
  return true;
}

// Rows of a buffer to its beginning.
void Engine::move_rows(const Run& run, size_t at, Rows rows) const {
  const Dims& dims = run.plan.dims[at];
  auto* data = reinterpret_cast<float*>(run.base + run.plan.placement.offsets[at]);
  pool_->run(dims[1], [&](int, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      float* plane = data + c * run.plan.planes[at];
      std::memmove(plane, plane + rows.first * dims[3], static_cast<size_t>(rows.count() * dims[3]) * sizeof(float));
    }
  });
}

}  // namespace intaglio
