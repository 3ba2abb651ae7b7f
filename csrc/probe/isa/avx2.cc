#include "simd/avx2.h"

#include "probe/instantiate.h"

namespace intaglio {

void avx2_traced(const WindowBlockArgs& args) { probe::traced<simd::Avx2>(args); }

}  // namespace intaglio
