// From floats to packed codes: the last step of every epilogue. The affine map to the grid is folded into what comes before.
#pragma once

#include <cstdint>

namespace intaglio::kernels {

// Codes of four channels as one word a lane: rounded half to even, clamped to 0..top (`top` in each byte).
template <class V>
inline typename V::I pack_codes(typename V::F a, typename V::F b, typename V::F c, typename V::F d, int32_t top) {
  return V::min_bytes(V::pack4(V::round(a), V::round(b), V::round(c), V::round(d)), V::set_i(top));
}

template <class V>
inline constexpr int32_t byte_ones = 0x01010101;

}  // namespace intaglio::kernels
