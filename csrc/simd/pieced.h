// A vector type that says: values are rounded to the codes that their grid uses. Only for grids that have pieces.
#pragma once

namespace intaglio::simd {

template <class V>
struct Pieced : V {};

template <class V>
inline constexpr bool is_pieced = false;
template <class V>
inline constexpr bool is_pieced<Pieced<V>> = true;

}  // namespace intaglio::simd
