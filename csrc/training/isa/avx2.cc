#include "simd/avx2.h"

#include "training/attention_kernel.h"

namespace intaglio::training {

const AttentionTable& avx2_attention() {
  static constexpr AttentionTable table = make_attention_table<simd::Avx2>("avx2");
  return table;
}

}  // namespace intaglio::training
