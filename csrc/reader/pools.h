// The tensors of a file: one pool for each type, from which operations take theirs in order; and the grids of all sites.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/spec.h"
#include "reader/container.h"

namespace intaglio {

class Pools {
 public:
  // Throws Error if a pool is of a wrong type or no row.
  explicit Pools(const Container& container);

  // The next tensor of a type into `spec`; codes of `bits` bits, or 0 for what is not codes. Throws Error if the pool ends before.
  void take(OpSpec& spec, const std::string& role, const std::string& type, std::vector<int64_t> shape, int bits);
  // Throws Error if something was not taken.
  void finish() const;

 private:
  struct Pool {
    std::string type;
    std::string_view bytes;
    size_t item = 1, read = 0;
  };
  std::vector<Pool> pools_;
};

// Rows of (lower, step), of which each site has some.
class GridRows {
 public:
  explicit GridRows(const Container& container);

  // The grids of `count` rows. Throws Error if they are no grids.
  std::vector<Grid> take(int64_t start, int64_t count, int64_t bits, const std::vector<Piece>& pieces);
  // Throws Error if spans overlap without being equal, or a row was not taken.
  void finish() const;

 private:
  std::string_view bytes_;
  int64_t rows_ = 0;
  std::set<std::pair<int64_t, int64_t>> spans_;
};

}  // namespace intaglio
