#include "simd/avx512.h"

#include "training/attention_kernel.h"

namespace intaglio::training {

const AttentionTable& avx512_attention() {
  static constexpr AttentionTable table = make_attention_table<simd::Avx512>("avx512");
  return table;
}

}  // namespace intaglio::training
