// Shapes, buffers and strips for pictures of one size.
#include "engine/engine_plan.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/limits.h"

namespace intaglio {
namespace {

constexpr size_t alignment = 64;
constexpr int64_t no_strips = int64_t{1} << 50, usual_strip = 768 << 10;  // bytes
constexpr int64_t least_strip = 4;  // rows of the picture: strips of fewer are mostly rows that kernels read twice

size_t aligned(size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

// Floats from one plane of a map to the next.
int64_t plane_floats(const Dims& dims, int64_t plane) { return plane ? plane : dims.count(2, dims.rank); }

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

// Whether that value is the first planes of its buffer, which hold a map of such a shape.
bool Engine::is_begun_by(const Plan& plan, size_t value, const Dims& dims) const {
  return steps_[value].op->renames() && plan.dims[value].is_map() && plan.dims[static_cast<size_t>(plan.buffers[value])] == dims;
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
  const bool in_strips = plan.group_of[at] >= 0;
  plan.planes.push_back(plan.rows[at] ? plane_stride(plan.rows[at], dims[3]) : spread ? plane_stride(dims[2], dims[3]) : 0);
  plan.offsets.push_back(0);
  plan.outside.push_back(step.op->constant());
  int buffer = static_cast<int>(at);
  if (step.op->renames()) {
    const auto input = static_cast<size_t>(step.in[0]);
    buffer = plan.buffers[input];
    plan.outside.back() = plan.outside[input];
    plan.planes.back() = plan.planes[input];
    plan.offsets.back() = plan.offsets[input] + static_cast<size_t>(step.op->first_plane() * plane_floats(operands.in[0], plan.planes[input]));
  }
  for (size_t k = 0; k < step.in.size() && buffer == static_cast<int>(at) && !in_strips; ++k) {  // there a row may have readers that come later
    const auto input = static_cast<size_t>(step.in[k]);
    const int shared = plan.buffers[input];
    const auto reads = std::count_if(step.in.begin(), step.in.end(), [&](int one) { return plan.buffers[static_cast<size_t>(one)] == shared; });
    const bool free = !plan.outside[input] && reads == 1 && last_of_buffer[static_cast<size_t>(shared)] == static_cast<int>(at);
    const bool fits = operands.in[k] == dims || is_begun_by(plan, input, dims);
    if (step.op->in_place(static_cast<int>(k)) && free && fits && plan.planes[input] == plan.planes[at] && !plan.offsets[input]) buffer = shared;
  }
  plan.buffers.push_back(buffer);
  last_of_buffer.push_back(-1);
  last_of_buffer[static_cast<size_t>(buffer)] = std::max(last_of_buffer[static_cast<size_t>(buffer)], step.last_read);
  Lifetime& life = plan.lifetimes[static_cast<size_t>(buffer)];
  const auto group = [&](int index) { return index < 0 || plan.group_of[static_cast<size_t>(index)] < 0 ? nullptr : &plan.groups[static_cast<size_t>(plan.group_of[static_cast<size_t>(index)])]; };
  const auto until = [&](int index) { return group(index) ? static_cast<int>(group(index)->last) - 1 : index; };
  if (buffer == static_cast<int>(at)) life.born = in_strips ? static_cast<int>(group(buffer)->first) : static_cast<int>(at);
  life.dies = std::max({life.dies, until(static_cast<int>(at)), until(step.last_read)});
  if (!plan.outside.back() && !plan.offsets.back()) life.bytes = std::max(life.bytes, bytes_of(dims, plan.planes[at]));
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

// The runs of steps that can go by rows, where the picture is so large that their maps leave the cache.
void Engine::find_groups(Plan& plan, const std::vector<bool>& by_rows, int64_t strip_bytes) const {
  plan.group_of.assign(steps_.size(), -1), plan.rows.assign(steps_.size(), 0);
  for (size_t first = 0, last; first < steps_.size(); first = last + 1) {
    int64_t largest = 0, working = 0;
    for (last = first; last < steps_.size() && by_rows[last]; ++last) {
      largest = std::max(largest, plan.dims[last].count() * static_cast<int64_t>(sizeof(float)));
      working += !steps_[last].op->renames();
    }
    const int64_t size = strip_bytes * pool_->threads(), count = std::min((largest + size - 1) / size, plan.padded_h / least_strip);
    if (working < 2 || count < 2) continue;
    Group group{first, last, strips_of(plan, first, last, count)};
    const std::vector<int64_t> rows = group.strips.rows();
    for (size_t at = first; at < last; ++at) {
      plan.group_of[at] = static_cast<int>(plan.groups.size());
      if (!steps_[at].op->renames() && rows[at - first] < plan.dims[at][2]) plan.rows[at] = std::max<int64_t>(rows[at - first], 1);
    }
    plan.groups.push_back(std::move(group));
  }
}

Strips Engine::strips_of(const Plan& plan, size_t first, size_t last, int64_t count) const {
  std::vector<StripStep> group;
  const auto root = [&](size_t at) {
    while (steps_[at].op->renames() && at >= first) at = static_cast<size_t>(steps_[at].in[0]);
    return at;
  };
  for (size_t at = first; at < last; ++at) {
    const Step& step = steps_[at];
    StripStep one{step.op->renames() ? nullptr : step.op.get(), plan.dims[at][2], step.last_read < 0};
    for (int input : step.in) {
      const size_t from = root(static_cast<size_t>(input));
      one.inputs.push_back(from < first ? -1 : static_cast<int>(from - first));
    }
    group.push_back(std::move(one));
    if (const size_t from = root(at); from >= first && step.last_read >= static_cast<int>(last)) group[from - first].is_whole = true;
  }
  return {std::move(group), count};
}

// Strips keep more maps alive at once, if only some rows of them, and come back to each of them; where that takes more memory, it takes more time, too.
Engine::Plan Engine::plan(int64_t h, int64_t w) const {
  if (strip_bytes_) return plan(h, w, strip_bytes_);
  Plan whole = plan(h, w, no_strips), strips = plan(h, w, usual_strip);
  return strips.bytes < whole.bytes ? strips : whole;
}

Engine::Plan Engine::plan(int64_t h, int64_t w, int64_t strip_bytes) const {
  Plan plan;
  plan.lifetimes.resize(steps_.size());
  size_t per_thread = 0, shared = 0;
  std::vector<bool> by_rows;
  walk(plan, h, w, [&](size_t i, const Operands& operands) {
    const Step& step = steps_[i];
    check_addressable(step.name, plan.dims[i]);
    const Workspace workspace = step.op->workspace(operands);
    per_thread = std::max(per_thread, aligned(workspace.per_thread));
    shared = std::max(shared, aligned(workspace.shared));
    const bool maps = plan.dims[i].is_map() && std::all_of(operands.in.begin(), operands.in.end(), [](const Dims& in) { return in.is_map(); });
    by_rows.push_back(maps && step.op->by_rows(operands));
  });
  find_groups(plan, by_rows, strip_bytes);
  std::vector<int> last_of_buffer;
  for (size_t i = 0; i + 1 < steps_.size(); ++i) {
    Operands operands;
    for (int input : steps_[i].in) operands.in.push_back(plan.dims[static_cast<size_t>(input)]);
    give_buffer(plan, i, operands, last_of_buffer);
  }
  plan.placement = place(plan.lifetimes);
  plan.scratch_stride = per_thread;
  plan.scratch_at = aligned(plan.placement.bytes);
  plan.shared_at = plan.scratch_at + per_thread * static_cast<size_t>(pool_->threads());
  plan.bytes = plan.shared_at + shared + alignment;
  return plan;
}

}  // namespace intaglio
