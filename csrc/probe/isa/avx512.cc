#include "simd/avx512.h"

#include "probe/instantiate.h"

namespace intaglio {

void avx512_traced(const WindowBlockArgs& args) { probe::traced<simd::Avx512>(args); }

}  // namespace intaglio
