#include "simd/avx512bf16.h"

#include "isa/instantiate.h"

namespace intaglio {

const KernelTable& avx512bf16_kernels() {
  static constexpr KernelTable table = make_table<simd::Avx512Bf16>("avx512bf16");
  return table;
}

}  // namespace intaglio
