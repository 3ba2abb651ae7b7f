#include "simd/neon.h"

#include "probe/instantiate.h"

namespace intaglio {

void neon_traced(const WindowBlockArgs& args) { probe::traced<simd::Neon>(args); }

}  // namespace intaglio
