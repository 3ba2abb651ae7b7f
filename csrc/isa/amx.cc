#include "simd/amx.h"

#include "isa/instantiate.h"

namespace intaglio {

const KernelTable& amx_kernels() {
  static constexpr KernelTable table = make_table<simd::Amx>("amx");
  return table;
}

}  // namespace intaglio
