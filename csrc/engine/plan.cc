#include "engine/plan.h"

#include <algorithm>
#include <numeric>

#include "engine/error.h"

namespace intaglio {

Placement place(const std::vector<Lifetime>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a].bytes > values[b].bytes; });
  Placement result{std::vector<size_t>(values.size(), 0), 0};
  std::vector<size_t> placed;  // sorted by offset
  for (size_t value : order) {
    const Lifetime& mine = values[value];
    size_t offset = 0;
    for (size_t other : placed) {
      const Lifetime& theirs = values[other];
      if (theirs.dies < mine.born || mine.dies < theirs.born) continue;
      if (offset + mine.bytes <= result.offsets[other]) break;
      offset = std::max(offset, result.offsets[other] + theirs.bytes);
    }
    if (sizeof(size_t) == 4 && offset > size_t{1} << 30) throw Error("the values of this picture need more memory than 32 bits address; cut it into tiles");
    result.offsets[value] = offset;
    result.bytes = std::max(result.bytes, offset + mine.bytes);
    const auto spot = std::upper_bound(placed.begin(), placed.end(), offset,
                                       [&](size_t at, size_t other) { return at < result.offsets[other]; });
    placed.insert(spot, value);
  }
  return result;
}

}  // namespace intaglio
