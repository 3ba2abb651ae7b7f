// A vector type that says: values are rounded to the codes that their grid uses. Only for grids that have pieces.
#pragma once

namespace intaglio::simd {

template <class V>
struct Pieced : V {};

template <class V>
inline constexpr bool is_pieced = false;
template <class V>
inline constexpr bool is_pieced<Pieced<V>> = true;

// The vector type without that: for what makes no codes, so that it is compiled once for both.
template <class V>
struct WithoutPieces {
  using Type = V;
};
template <class V>
struct WithoutPieces<Pieced<V>> {
  using Type = V;
};
template <class V>
using Plain = typename WithoutPieces<V>::Type;

}  // namespace intaglio::simd
