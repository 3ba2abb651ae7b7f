// What an engine knows of its steps, and its plan for pictures of one size. Private to engine.cc and engine_plan.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/plan.h"
#include "engine/strips.h"

namespace intaglio {

// `in` are indices of the steps whose values are read; `last_read` is the last step that reads its value, `spread` whether all readers take planes that
// lie apart.
struct Engine::Step {
  std::string kind, name;
  std::shared_ptr<const Op> op;
  std::vector<int> in;
  int last_read = -1;
  bool spread = true;
};

// Steps that go through the picture in strips.
struct Engine::Group {
  size_t first, last;  // steps, the last one not included
  Strips strips;
};

// By step: the shape of its value, the distance of its planes, the buffer that holds it (that of the step that wrote it first, so that several
// values may share one), the place in that, or the place outside of the arena.
struct Engine::Plan {
  int64_t h = 0, w = 0, padded_h = 0, padded_w = 0;
  std::vector<Group> groups;
  std::vector<int> group_of;   // by step; -1: none
  std::vector<int64_t> rows;   // by step: that its buffer holds, where these are not all; else 0
  std::vector<Dims> dims;
  std::vector<int64_t> planes;
  std::vector<int> buffers;
  std::vector<size_t> offsets;  // floats from the beginning of the buffer, or of the place outside
  std::vector<const float*> outside;
  std::vector<Lifetime> lifetimes;
  Placement placement;  // by buffer
  size_t scratch_stride = 0, scratch_at = 0, shared_at = 0, bytes = 0;
};

}  // namespace intaglio
