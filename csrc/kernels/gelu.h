// GELU in single precision without a division or an exponential.
#pragma once

namespace intaglio::kernels {

// gelu(x) = max(x, 0) - h(|x|) with h(t) = t * (1 - Phi(t)), which is small, smooth and dies out, so that no error is multiplied by x.
// h is a minimax polynomial of degree 11 in u = t * 2/4.6 - 1 on [0, 4.6], held constant beyond. Absolute error at most 8e-6.
template <class V>
inline typename V::F gelu(typename V::F x) {
  using F = typename V::F;
  constexpr float coefficients[] = {0.0246604234f,  -0.125117853f, 0.246885061f, -0.17215392f,   -0.171239495f,  0.439581335f,
                                    -0.259575039f, -0.135073528f, 0.210041746f, -0.0219036322f, -0.0507752262f, 0.0146724479f};
  const F u = V::fma(V::min(V::abs(x), V::set(4.6f)), V::set(0.4347826f), V::set(-1.0f));
  F h = V::set(coefficients[11]);
#pragma GCC unroll 11
  for (int i = 10; i >= 0; --i) h = V::fma(h, u, V::set(coefficients[i]));
  return V::sub(V::max(x, V::set(0.0f)), h);
}

}  // namespace intaglio::kernels
