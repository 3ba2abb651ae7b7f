// What an operation is to the engine, and what it is given to run.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "engine/map.h"
#include "engine/pool.h"
#include "isa/kernel_table.h"

namespace intaglio {

// What an op may ask about its inputs before any buffer exists. `picture` is the picture of this run; `scale` that of the program.
struct Operands {
  std::vector<Shape> in;
  int64_t picture_h = 0, picture_w = 0;
  int64_t scale = 1;
};

// Scratch in bytes: one region for each thread, and one for all.
struct Workspace {
  size_t per_thread = 0;
  size_t shared = 0;
};

struct Context {
  std::vector<Map> in;
  Map out;
  Picture picture;
  MutablePicture result;
  Pool& pool;
  std::byte* scratch_base = nullptr;
  size_t scratch_stride = 0;
  std::byte* shared_base = nullptr;

  std::byte* scratch(int thread) const { return scratch_base + scratch_stride * static_cast<size_t>(thread); }
  std::byte* shared() const { return shared_base; }
};

class Op {
 public:
  virtual ~Op() = default;
  // The shape of the output; throws Error if the inputs do not fit. `output` returns an empty shape.
  virtual Shape shape(const Operands& operands) const = 0;
  virtual Workspace workspace(const Operands&) const { return {}; }
  // The input whose buffer the output may take, if there is one of that number; or -1.
  virtual int in_place() const { return -1; }
  // Neither throws nor allocates.
  virtual void run(const Context& context) const = 0;
};

}  // namespace intaglio
