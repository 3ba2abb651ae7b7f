// Byte products summed in 16 bits and widened once at the end: two instructions for four products instead of three, where no sum can leave 16 bits.
#pragma once

namespace intaglio::simd {

// Any vector type with `has_pairs`, whose accumulators hold sums of pairs: dot4 adds to them, total() makes the int32 sums. Only for codes of few bits.
template <class V>
struct Pairs : V {
  using I = typename V::I;
  static constexpr bool needs_wide = false;
  static constexpr bool has_pairs = false;

  template <bool Wide>
  static I dot4(I acc, I u, I s) {
    return V::add_pairs(acc, u, s);
  }
  static I total(I acc) { return V::sum_pairs(acc); }
};

}  // namespace intaglio::simd
