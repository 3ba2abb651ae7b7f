#include "simd/avxvnni.h"

#include "probe/instantiate.h"

namespace intaglio {

void avxvnni_traced(const WindowBlockArgs& args) { probe::traced<simd::AvxVnni>(args); }

}  // namespace intaglio
