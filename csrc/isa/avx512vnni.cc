#include "simd/avx512vnni.h"

#include "isa/instantiate.h"

namespace intaglio {

const KernelTable& avx512vnni_kernels() {
  static constexpr KernelTable table = make_table<simd::Avx512Vnni>("avx512vnni");
  return table;
}

}  // namespace intaglio
