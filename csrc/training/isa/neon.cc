#include "simd/neon.h"

#include "training/attention_kernel.h"

namespace intaglio::training {

const AttentionTable& neon_attention() {
  static constexpr AttentionTable table = make_attention_table<simd::Neon>("neon");
  return table;
}

}  // namespace intaglio::training
