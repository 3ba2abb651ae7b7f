#include "simd/neon.h"

#include "isa/instantiate.h"

namespace intaglio {

const KernelTable& neon_kernels() {
  static constexpr KernelTable table = make_table<simd::Neon>("neon");
  return table;
}

}  // namespace intaglio
