#include "isa/machine.h"

#include "engine/error.h"
#include "isa/cpu.h"

namespace intaglio {

#define INTAGLIO_ISA(name, runnable, needs) const KernelTable& name##_kernels();
#include "isa/isas.inc"
#undef INTAGLIO_ISA

std::vector<IsaReport> instruction_sets() {
  const Features cpu = detect();
  (void)cpu;
  return {
#define INTAGLIO_ISA(name, runnable, needs) {#name, (runnable), needs},
#include "isa/isas.inc"
#undef INTAGLIO_ISA
  };
}

const KernelTable& kernel_table(std::string_view wanted) {
  const Features cpu = detect();
  (void)cpu;
  const bool any = wanted.empty() || wanted == "auto";
  const KernelTable* best = nullptr;
  std::string known;
#define INTAGLIO_ISA(name, runnable, needs)                                                               \
  known += known.empty() ? #name : ", " #name;                                                            \
  if (wanted == #name && !(runnable)) throw Error("this machine cannot run " #name ", it lacks " needs); \
  if ((runnable) && (any || wanted == #name)) best = &name##_kernels();
#include "isa/isas.inc"
#undef INTAGLIO_ISA
  if (!best) throw Error("instruction set '" + std::string(wanted) + "' is not in this build; choose one of " + known);
  return *best;
}

}  // namespace intaglio
