// Which instruction sets were built, which this machine can run, and which one is used.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "isa/kernel_table.h"

namespace intaglio {

struct IsaReport {
  std::string name;
  bool runnable;
  std::string needs;
};

// All instruction sets of this build, slowest first.
std::vector<IsaReport> instruction_sets();

// The table of the instruction set `name`; the fastest runnable one if `name` is empty or "auto".
// Throws Error if it is unknown to this build or this machine cannot run it.
const KernelTable& kernel_table(std::string_view name);

}  // namespace intaglio
