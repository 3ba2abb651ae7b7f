// Kernels that treat values, or the channels of one pixel, on their own.
#pragma once

#include "kernels/activation.h"
#include "kernels/elementwise_args.h"

namespace intaglio::kernels {

// Calls body(i, count) for the vectors of [0, n): count is V::lanes but for the last.
template <class V, class Body>
inline void for_each_vector_of(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + V::lanes <= n; i += V::lanes) body(i, V::lanes);
  if (i < n) body(i, static_cast<int>(n - i));
}

template <class V>
inline typename V::F load_some(const float* p, int count) {
  return count == V::lanes ? V::load(p) : V::load_first(p, count);
}

template <class V>
inline void store_some(float* p, typename V::F x, int count) {
  if (count == V::lanes) {
    V::store(p, x);
  } else {
    V::store_first(p, x, count);
  }
}

template <class V>
void add(const AddArgs& args) {
  const auto scale = V::set(args.scale);
  for_each_vector_of<V>(args.n, [&](int64_t i, int count) {
    store_some<V>(args.to + i, V::add(load_some<V>(args.a + i, count), V::mul(load_some<V>(args.b + i, count), scale)), count);
  });
}

template <class V>
void multiply(const MultiplyArgs& args) {
  const auto factor = V::set(args.factor);
  for_each_vector_of<V>(args.n, [&](int64_t i, int count) {
    store_some<V>(args.to + i, V::mul(load_some<V>(args.a + i, count), args.b ? load_some<V>(args.b + i, count) : factor), count);
  });
}

template <class V>
void activate(const ActivateArgs& args) {
  activate_run<V>(args.from, args.to, args.n, args.act, args.slope);
}

// Pixels in lanes: the sums over channels are vertical. Two passes, so that the variance does not cancel.
template <class V>
void layer_norm(const LayerNormArgs& args) {
  using F = typename V::F;
  const F share = V::set(1.0f / static_cast<float>(args.channels));
  for_each_vector_of<V>(args.n, [&](int64_t i, int count) {
    const auto pixels = [&](int c) { return load_some<V>(args.from + c * args.from_plane + i, count); };
    F sum = V::set(0.0f), square = sum;
    for (int c = 0; c < args.channels; ++c) sum = V::add(sum, pixels(c));
    const F mean = V::mul(sum, share);
    for (int c = 0; c < args.channels; ++c) {
      const F centred = V::sub(pixels(c), mean);
      square = V::fma(centred, centred, square);
    }
    const F scale = V::div(V::set(1.0f), V::sqrt(V::fma(square, share, V::set(args.eps))));
    for (int c = 0; c < args.channels; ++c) {
      const F normed = V::mul(V::sub(pixels(c), mean), scale);
      store_some<V>(args.to + c * args.to_plane + i, V::fma(normed, V::set(args.weight[c]), V::set(args.bias[c])), count);
    }
  });
}

}  // namespace intaglio::kernels
