// Steps that go through a picture together, some rows at a time: what one writes is still in the second-level cache when the next reads it, and of most maps
// only a few rows exist at once. How far each step must be ahead of the last one, and which of its rows are still wanted, follows from the rows that steps
// say they read.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/op.h"

namespace intaglio {

// A step of such a group.
struct StripStep {
  const Op* op = nullptr;     // null where it is another name for a value: who reads it reads that value
  int64_t height = 0;         // of its value
  bool is_whole = false;      // its value is read outside of the group, too, and is kept
  std::vector<int> inputs{};  // steps of the group whose values it reads; -1 for what comes from outside
};

class Strips {
 public:
  Strips(std::vector<StripStep> steps, int64_t count);

  int64_t count() const { return count_; }
  // By step: how many rows of its value there are when a strip is done. Grows from strip to strip.
  std::vector<int64_t> ends(int64_t strip) const;
  // By step: the first row of its value that somebody has yet to read when the values end at `ends`.
  std::vector<int64_t> kept(const std::vector<int64_t>& ends) const;
  // By step: rows that its buffer must hold. A value of which many rows are kept has some more, so that these move seldom.
  std::vector<int64_t> rows() const;

 private:
  Rows reads(const StripStep& step, size_t input, Rows rows) const;

  std::vector<StripStep> steps_;
  int64_t count_;
  std::vector<int64_t> last_ends_;
};

}  // namespace intaglio
