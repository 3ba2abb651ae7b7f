#include "engine/strips.h"

#include <algorithm>

namespace intaglio {

Strips::Strips(std::vector<StripStep> steps, int64_t count) : steps_(std::move(steps)), count_(count), last_ends_(ends(count - 1)) {}

// Within the value.
Rows Strips::reads(const StripStep& step, size_t input, Rows rows) const {
  const int64_t height = steps_[static_cast<size_t>(step.inputs[input])].height;
  const Rows wanted = step.op->reads(static_cast<int>(input), rows, height, step.height);
  return {std::clamp<int64_t>(wanted.first, 0, height), std::clamp<int64_t>(wanted.last, 0, height)};
}

std::vector<int64_t> Strips::ends(int64_t strip) const {
  std::vector<int64_t> ends(steps_.size(), 0);
  for (size_t i = steps_.size(); i-- > 0;) {
    const StripStep& step = steps_[i];
    if (!step.op) continue;
    if (step.is_whole) ends[i] = std::max(ends[i], (step.height * (strip + 1) + count_ - 1) / count_);
    const int64_t unit = step.op->row_unit();
    ends[i] = std::min(step.height, (ends[i] + unit - 1) / unit * unit);
    if (ends[i] == 0) continue;
    for (size_t k = 0; k < step.inputs.size(); ++k) {
      if (step.inputs[k] < 0) continue;
      int64_t& end = ends[static_cast<size_t>(step.inputs[k])];
      end = std::max(end, reads(step, k, {ends[i] - 1, ends[i]}).last);
    }
  }
  return ends;
}

std::vector<int64_t> Strips::kept(const std::vector<int64_t>& ends) const {
  std::vector<int64_t> kept = ends;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const StripStep& step = steps_[i];
    if (!step.op || ends[i] == last_ends_[i]) continue;
    for (size_t k = 0; k < step.inputs.size(); ++k) {
      if (step.inputs[k] < 0) continue;
      const Rows next = reads(step, k, {ends[i], ends[i] + 1});
      int64_t& first = kept[static_cast<size_t>(step.inputs[k])];
      if (next.count() > 0) first = std::min(first, next.first);
    }
  }
  return kept;
}

std::vector<int64_t> Strips::rows() const {
  std::vector<int64_t> live(steps_.size(), 0), over(steps_.size(), 0), first(steps_.size(), 0);
  for (int64_t strip = 0; strip < count_; ++strip) {
    const auto end = ends(strip), next = kept(end);
    for (size_t i = 0; i < steps_.size(); ++i) live[i] = std::max(live[i], end[i] - first[i]), over[i] = std::max(over[i], end[i] - next[i]);
    first = next;
  }
  std::vector<int64_t> rows;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const int64_t height = steps_[i].height, room = over[i] > live[i] / 2 ? over[i] : 0;
    rows.push_back(steps_[i].is_whole ? height : std::min(height, live[i] + room));
  }
  return rows;
}

}  // namespace intaglio
