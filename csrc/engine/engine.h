// Runs a program on pictures of any size: checks it once, plans memory for each size, runs the operations in order.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/op.h"
#include "engine/spec.h"

namespace intaglio {

struct Options {
  std::string isa;         // empty: the fastest that this machine runs
  int threads = 1;
  size_t memory = 0;       // bytes that the arena may take; 0: no bound
};

struct OpTime {
  std::string kind, name;
  double seconds;
};

class Engine {
 public:
  // Throws Error if the program is not a straight line of known, sound operations from `picture` to `output`.
  Engine(std::vector<OpSpec> specs, int64_t scale, const Options& options);
  ~Engine();

  const char* isa() const { return kernels_.isa; }
  int threads() const { return pool_->threads(); }
  int64_t scale() const { return scale_; }

  // Bytes of arena and scratch that a picture of this size needs. Throws Error if it does not fit the program.
  size_t memory(int64_t h, int64_t w) const;

  // result is (h * scale, w * scale, 3). Throws Error if the bound on memory does not allow it or memory runs out.
  // One run at a time for each engine.
  void run(const Picture& picture, const MutablePicture& result, std::vector<OpTime>* times = nullptr);

 private:
  struct Plan;
  struct Arena;
  struct Step;
  Plan plan(int64_t h, int64_t w) const;
  void wire(const std::vector<OpSpec>& specs);

  const KernelTable& kernels_;
  int64_t scale_;
  size_t limit_;
  std::vector<Step> steps_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Arena> arena_;
};

}  // namespace intaglio
