// What an operation is to the engine, and what it is given to run.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "engine/pool.h"
#include "engine/rows.h"
#include "engine/tensor.h"
#include "isa/kernel_table.h"

namespace intaglio {

// The picture that enters: bytes (h, w, c) or planes (c, h, w), of which one is null.
struct Picture {
  const uint8_t* bytes = nullptr;
  const float* planes = nullptr;
  int64_t h = 0, w = 0;
};

struct MutablePicture {
  uint8_t* bytes = nullptr;
  float* planes = nullptr;
  int64_t h = 0, w = 0;
};

// What an op may ask about its inputs before any buffer exists. `picture` is the picture of this run, `padded` its sides as the network sees it;
// `scale` that of the program.
struct Operands {
  std::vector<Dims> in;
  int64_t picture_h = 0, picture_w = 0;
  int64_t padded_h = 0, padded_w = 0;
  int64_t scale = 1;
  int threads = 1;
};

// Scratch in bytes: one region for each thread, and one for all.
struct Workspace {
  size_t per_thread = 0;
  size_t shared = 0;
};

struct Context {
  std::vector<Tensor> in;
  Tensor out;
  Picture picture;
  MutablePicture result;
  int64_t padded_h = 0, padded_w = 0;
  Pool& pool;
  std::byte* scratch_base = nullptr;
  size_t scratch_stride = 0;
  std::byte* shared_base = nullptr;
  Rows rows = {0, -1};  // of the output that are wanted; all, if that ends before it begins

  Rows wanted(int64_t height) const { return rows.last < rows.first ? Rows{0, height} : rows; }
  std::byte* scratch(int thread) const { return scratch_base + scratch_stride * static_cast<size_t>(thread); }
  std::byte* shared() const { return shared_base; }
};

// How a map is written: without gaps, with its planes apart (which spreads them over the cache), or as the input whose buffer it may take.
enum class Layout { dense, planes, as_input };

class Op {
 public:
  virtual ~Op() = default;
  // The shape of the output; throws Error if the inputs do not fit. That of `output` is its input's.
  virtual Dims shape(const Operands& operands) const = 0;
  virtual Workspace workspace(const Operands&) const { return {}; }
  // Whether the output may take the buffer of that input where their shapes are equal.
  virtual bool in_place(int) const { return false; }
  // Whether that input may be a map whose planes lie apart, and whether the output should be.
  virtual bool planes(int) const { return false; }
  virtual Layout layout() const { return Layout::dense; }
  // Whether the output is the first input under another shape, or neighbouring planes of it, of which this is the first.
  virtual bool renames() const { return false; }
  virtual int64_t first_plane() const { return 0; }
  // Whether `run` can make some rows of a map of one picture at a time, and of which rows of an input some rows of the output are made: none that lie before
  // those of earlier rows. Inputs then hold no other rows. `row_unit` divides the row at which such a piece begins.
  virtual bool by_rows(const Operands&) const { return false; }
  virtual Rows reads(int, Rows rows, int64_t, int64_t) const { return rows; }  // input, rows, heights of the input and of the output
  virtual int64_t row_unit() const { return 1; }
  // The output itself, where it is part of the operation.
  virtual const float* constant() const { return nullptr; }
  // Neither throws nor allocates.
  virtual void run(const Context& context) const = 0;
};

// An operation on maps: planes may lie apart everywhere.
class MapOp : public Op {
 public:
  bool planes(int) const override { return true; }
  Layout layout() const override { return Layout::planes; }
};

// The message for inputs that do not fit an operation.
[[noreturn]] void refuse_shapes(const char* kind, const char* expected);

}  // namespace intaglio
