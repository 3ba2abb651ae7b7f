#include "simd/portable.h"

#include "probe/instantiate.h"

namespace intaglio {

void portable_traced(const WindowBlockArgs& args) { probe::traced<simd::Portable>(args); }

}  // namespace intaglio
