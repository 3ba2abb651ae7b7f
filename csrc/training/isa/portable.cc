#include "simd/portable.h"

#include "training/attention_kernel.h"

namespace intaglio::training {

const AttentionTable& portable_attention() {
  static constexpr AttentionTable table = make_attention_table<simd::Portable>("portable");
  return table;
}

}  // namespace intaglio::training
