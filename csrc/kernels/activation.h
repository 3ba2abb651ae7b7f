// The activation functions on runs of floats. GELU has a file of its own.
#pragma once

#include <cstdint>

#include "kernels/activation_args.h"
#include "kernels/gelu.h"
#include "simd/pieced.h"

namespace intaglio::kernels {

// 1 / (1 + e^-x). Relative error below 6e-7 + 1.2e-7 |x|; tends to 0 and 1 without overflow.
template <class V>
inline typename V::F sigmoid(typename V::F x) {
  constexpr float log2e = 1.44269504f;
  const auto power = V::min(V::mul(x, V::set(-log2e)), V::set(126.0f));
  return V::div(V::set(1.0f), V::add(V::set(1.0f), V::exp2(power)));
}

template <class V>
__attribute__((noinline)) typename V::F activated_smoothly(typename V::F x, Activation act) {
  return act == Activation::gelu ? gelu<V>(x) : act == Activation::silu ? V::mul(x, sigmoid<V>(x)) : sigmoid<V>(x);
}

// One vector of results; `slope` matters to leaky_relu and prelu only. What is long is called, so that it is there once.
template <class V>
inline typename V::F activated(typename V::F x, Activation act, float slope) {
  const auto zero = V::set(0.0f);
  if (act == Activation::none) return x;
  if (act == Activation::relu) return V::max(x, zero);
  if (act == Activation::leaky_relu || act == Activation::prelu) return V::fma(V::min(x, zero), V::set(slope), V::max(x, zero));
  return activated_smoothly<simd::Plain<V>>(x, act);
}

// to[i] = function(from[i]) for i < n, vector by vector. Nothing at or beyond n is touched; `to` may be `from`.
template <class V, class Function>
inline void map_run(const float* from, float* to, int64_t n, const Function& function) {
  int64_t i = 0;
  for (; i + V::lanes <= n; i += V::lanes) V::store(to + i, function(V::load(from + i)));
  const int left = static_cast<int>(n - i);
  if (left > 0) V::store_first(to + i, function(V::load_first(from + i, left)), left);
}

// `slope` matters to leaky_relu and prelu only.
template <class V>
inline void activate_run(const float* from, float* to, int64_t n, Activation act, float slope) {
  using F = typename V::F;
  const F zero = V::set(0.0f), steep = V::set(slope);
  switch (act) {
    case Activation::none: return map_run<V>(from, to, n, [](F x) { return x; });
    case Activation::relu: return map_run<V>(from, to, n, [=](F x) { return V::max(x, zero); });
    case Activation::leaky_relu:
    case Activation::prelu: return map_run<V>(from, to, n, [=](F x) { return V::fma(V::min(x, zero), steep, V::max(x, zero)); });
    case Activation::sigmoid: return map_run<V>(from, to, n, [](F x) { return sigmoid<V>(x); });
    case Activation::gelu: return map_run<V>(from, to, n, [](F x) { return gelu<V>(x); });
    case Activation::silu: return map_run<V>(from, to, n, [](F x) { return V::mul(x, sigmoid<V>(x)); });
  }
}

}  // namespace intaglio::kernels
