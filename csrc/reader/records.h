// The operations of a file, from their JSON and the pools of tensors to what the engine takes.
#pragma once

#include <vector>

#include "engine/spec.h"
#include "reader/container.h"
#include "reader/json.h"

namespace intaglio {

// An operation and the names of its sites, which the engine does not need.
struct Record {
  OpSpec spec;
  std::map<std::string, std::string> site_names;  // by role
};

// Types of everything are checked, and that pools and grids are used up; ranges are for `verify`. Throws Error.
std::vector<Record> read_records(const Json& operations, const Container& container);

}  // namespace intaglio
