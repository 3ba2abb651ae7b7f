#include "probe/traced.h"

namespace intaglio {

#define INTAGLIO_ISA(name, runnable, needs) void name##_traced(const WindowBlockArgs& args);
#include "isa/isas.inc"
#undef INTAGLIO_ISA

TracedBlock traced_block(std::string_view isa) {
#define INTAGLIO_ISA(name, runnable, needs) \
  if (isa == #name) return &name##_traced;
#include "isa/isas.inc"
#undef INTAGLIO_ISA
  return nullptr;
}

}  // namespace intaglio
