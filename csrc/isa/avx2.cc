#include "simd/avx2.h"

#include "isa/instantiate.h"

namespace intaglio {

const KernelTable& avx2_kernels() {
  static constexpr KernelTable table = make_table<simd::Avx2>("avx2");
  return table;
}

}  // namespace intaglio
