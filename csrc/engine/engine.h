// Runs a program on pictures of any size: checks it once, fuses what belongs together, plans memory for each size, runs the operations in order.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/op.h"
#include "engine/spec.h"
#include "engine/strips.h"
#include "fuse/graph.h"

namespace intaglio {

struct Options {
  std::string isa;         // empty: the fastest that this machine runs
  int threads = 1;
  size_t memory = 0;       // bytes that the arena may take; 0: no bound
  bool fuse = true;        // false: each operation of the program by itself
  int64_t strip_bytes = 0; // of a map, for each thread, that operations hand on at a time where they go by rows; 0: as suits caches, where that saves memory
};

struct OpTime {
  std::string kind, name;
  double seconds;
};

// One operation that runs: its kind and name, and the names of the operations of the program that it stands for.
struct PlanLine {
  std::string kind, name;
  std::vector<std::string> parts;
};

// Called after each operation of a run with the numbers of those done and of all; false ends the run.
using Watch = std::function<bool(size_t done, size_t all)>;

class Engine {
 public:
  // Throws Error if the program is not a straight line of known, sound operations from `input` to `output`.
  Engine(std::vector<OpSpec> specs, int64_t scale, const Options& options);
  ~Engine();

  const char* isa() const { return kernels_.isa; }
  int threads() const { return pool_->threads(); }
  int64_t scale() const { return scale_; }
  // Channels of the picture that enters, and of the one that leaves.
  int64_t channels_in() const { return channels_in_; }
  int64_t channels_out() const { return channels_out_; }

  const std::vector<PlanLine>& lines() const { return lines_; }
  const std::vector<Remark>& remarks() const { return remarks_; }

  // The shapes of all values for a picture of this size. Throws Error if they do not fit.
  void check(int64_t h, int64_t w) const;

  // Bytes of arena and scratch that a picture of this size needs. Throws Error if it does not fit the program.
  size_t memory(int64_t h, int64_t w) const;

  // Plans for a picture of this size, and keeps the plan. Throws Error if it does not fit the program or the bound on memory.
  void prepare(int64_t h, int64_t w);

  // result is h * scale by w * scale. False if `watch` ended the run; the result is then not whole. Throws Error as `prepare`, and if memory runs out.
  // One run at a time for each engine.
  bool run(const Picture& picture, const MutablePicture& result, std::vector<OpTime>* times = nullptr, const Watch& watch = nullptr);

 private:
  struct Plan;
  struct Arena;
  struct Step;
  struct Group;
  struct Run;
  Plan plan(int64_t h, int64_t w) const;
  template <class Visit>
  void walk(Plan& plan, int64_t h, int64_t w, Visit visit) const;
  void wire(const std::vector<OpSpec>& specs);
  bool is_begun_by(const Plan& plan, size_t value, const Dims& dims) const;
  Plan plan(int64_t h, int64_t w, int64_t strip_bytes) const;
  void find_groups(Plan& plan, const std::vector<bool>& by_rows, int64_t strip_bytes) const;
  Strips strips_of(const Plan& plan, size_t first, size_t last, int64_t count) const;
  void run_step(const Run& run, size_t at, const std::vector<int64_t>& firsts, Rows rows) const;
  bool run_group(const Run& run, const Group& group) const;
  void move_rows(const Run& run, size_t at, Rows rows) const;
  void give_buffer(Plan& plan, size_t step, const Operands& operands, std::vector<int>& last_of_buffer) const;

  const KernelTable& kernels_;
  int64_t scale_, channels_in_ = 0, channels_out_ = 0;
  size_t limit_;
  int64_t strip_bytes_;
  std::vector<Step> steps_;
  std::vector<PlanLine> lines_;
  std::vector<Remark> remarks_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Plan> plan_;  // that of the last picture
  std::unique_ptr<Arena> arena_;
};

}  // namespace intaglio
