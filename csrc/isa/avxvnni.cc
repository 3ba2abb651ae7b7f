#include "simd/avxvnni.h"

#include "isa/instantiate.h"

namespace intaglio {

const KernelTable& avxvnni_kernels() {
  static constexpr KernelTable table = make_table<simd::AvxVnni>("avxvnni");
  return table;
}

}  // namespace intaglio
