#include "simd/avx512.h"

#include "isa/instantiate.h"

namespace intaglio {

const KernelTable& avx512_kernels() {
  static constexpr KernelTable table = make_table<simd::Avx512>("avx512");
  return table;
}

}  // namespace intaglio
