// From floats to packed codes: the last step of every epilogue. The affine map to the grid is folded into what comes before.
#pragma once

#include <cstdint>

#include "kernels/code_range.h"
#include "simd/pieced.h"

namespace intaglio::kernels {

// The code of a value in units of codes, still as a float: each piece counts its own steps, all of them above its end and none below its beginning.
template <class V>
inline typename V::F on_pieces(typename V::F value, const CodePieces& pieces) {
  typename V::F code = V::set(0.0f);
  for (int i = 0; i < pieces.count; ++i) {
    const auto steps = V::mul(V::sub(value, V::set(pieces.first[i])), V::set(pieces.inverse[i]));
    const auto taken = V::round(V::min(V::set(pieces.steps[i]), V::max(steps, V::set(0.0f))));
    code = V::fma(V::convert(taken), V::set(pieces.stride[i]), code);
  }
  return code;
}

// Equation (2), or (2b) for Pieced<V>, operation by operation; NaN becomes 0.
template <class V>
inline typename V::I code_of(typename V::F x, const CodeGrid& grid) {
  const auto position = V::mul(V::sub(x, V::set(grid.lower)), V::set(grid.inverse));
  if constexpr (simd::is_pieced<V>) {
    return V::round(on_pieces<V>(position, grid.pieces));
  } else {
    return V::round(V::min(V::max(position, V::set(0.0f)), V::set(grid.top)));
  }
}

// Codes of four channels as one word a lane: rounded half to even, clamped to the range.
template <class V>
inline typename V::I pack_even_codes(typename V::F a, typename V::F b, typename V::F c, typename V::F d, const CodeRange& range) {
  return V::min_bytes(V::pack4(V::round(a), V::round(b), V::round(c), V::round(d)), V::set_i(range.top));
}

// The same on grids that have pieces. Not inlined: it is long, and is called from every epilogue.
template <class V>
__attribute__((noinline)) typename V::I pack_pieced_codes(typename V::F a, typename V::F b, typename V::F c, typename V::F d, const CodeRange& range) {
  const CodePieces& pieces = range.pieces;
  return pack_even_codes<V>(on_pieces<V>(a, pieces), on_pieces<V>(b, pieces), on_pieces<V>(c, pieces), on_pieces<V>(d, pieces), range);
}

template <class V>
inline typename V::I pack_codes(typename V::F a, typename V::F b, typename V::F c, typename V::F d, const CodeRange& range) {
  if constexpr (simd::is_pieced<V>) {
    return pack_pieced_codes<V>(a, b, c, d, range);
  } else {
    return pack_even_codes<V>(a, b, c, d, range);
  }
}

template <class V>
inline constexpr int32_t byte_ones = 0x01010101;

}  // namespace intaglio::kernels
