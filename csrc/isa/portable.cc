#include "simd/portable.h"

#include "isa/instantiate.h"

namespace intaglio {

const KernelTable& portable_kernels() {
  static constexpr KernelTable table = make_table<simd::Portable>("portable");
  return table;
}

}  // namespace intaglio
