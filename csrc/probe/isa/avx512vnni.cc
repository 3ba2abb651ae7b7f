#include "simd/avx512vnni.h"

#include "probe/instantiate.h"

namespace intaglio {

void avx512vnni_traced(const WindowBlockArgs& args) { probe::traced<simd::Avx512Vnni>(args); }

}  // namespace intaglio
