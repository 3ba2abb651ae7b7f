#include "simd/amx.h"

#include "probe/instantiate.h"

namespace intaglio {

void amx_traced(const WindowBlockArgs& args) { probe::traced<simd::Amx>(args); }

}  // namespace intaglio
