#include "simd/wasm.h"

#include "isa/instantiate.h"

namespace intaglio {

const KernelTable& wasm_kernels() {
  static constexpr KernelTable table = make_table<simd::Wasm>("wasm");
  return table;
}

}  // namespace intaglio
