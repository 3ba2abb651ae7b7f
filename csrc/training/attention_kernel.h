// Attention of one head on quantized operands, in cache: no score or share reaches memory, and the backward pass computes them anew.
//   S = Q(q) Q(k)^T + bias,  P = softmax(S),  out = Q(P) Q(v)
// Gradients pass the roundings straight through, as in fake_quantize.h. Queries in rows, keys in lanes.
#pragma once

#include "training/attention_args.h"

namespace intaglio::training {

inline constexpr int block_rows = 4;  // queries at a time, so that a vector of keys is loaded once for all of them
inline constexpr float log2_e = 1.44269504f;
inline constexpr float never = -1e30f;  // a score whose exponential is zero

constexpr int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }
constexpr int smaller(int a, int b) { return a < b ? a : b; }

// Where everything lies in the scratch: [token][width] for rows, [channel][columns] for their transposes, [block_rows][columns] for scores.
template <class V>
struct HeadScratch {
  int rows, columns, width;
  float *q, *k, *v, *grad, *grad_q, *grad_k, *grad_v;
  float *k_transposed, *v_transposed;
  float *shares, *levels, *grad_shares;
  int64_t floats = 0;  // of all

  // Without memory nothing has a place, but all of it a size.
  HeadScratch(int tokens, int channels, float* memory)
      : rows(round_up(tokens, block_rows)), columns(round_up(tokens, V::lanes)), width(round_up(channels, V::lanes)) {
    const int64_t matrix = static_cast<int64_t>(rows) * width, transposed = static_cast<int64_t>(channels) * columns;
    float** const matrices[] = {&q, &k, &v, &grad, &grad_q, &grad_k, &grad_v};
    float** const transposes[] = {&k_transposed, &v_transposed};
    float** const blocks[] = {&shares, &levels, &grad_shares};
    for (float** place : matrices) *place = take(memory, matrix);
    for (float** place : transposes) *place = take(memory, transposed);
    for (float** place : blocks) *place = take(memory, static_cast<int64_t>(block_rows) * columns);
  }

 private:
  float* take(float* memory, int64_t count) {
    const int64_t at = floats;
    floats += count;
    return memory ? memory + at : nullptr;
  }
};

// Sums for the two bounds of a grid, lane by lane.
template <class V>
struct BoundSums {
  typename V::F inside = V::set(0.0f), above = V::set(0.0f), below = V::set(0.0f);

  BoundGradients total(const GridConstants& grid) const {
    const double residue = static_cast<double>(V::sum(inside)) / static_cast<double>(grid.top);
    return {static_cast<double>(V::sum(below)) - residue, static_cast<double>(V::sum(above)) + residue};
  }
};

template <class V>
struct GridVectors {
  typename V::F lower, upper, step, inverse, top;

  explicit GridVectors(const GridConstants& grid)
      : lower(V::set(grid.lower)), upper(V::set(grid.upper)), step(V::set(grid.step)), inverse(V::set(grid.inverse)), top(V::set(grid.top)) {}

  typename V::F scaled(typename V::F x) const { return V::mul(V::sub(x, lower), inverse); }
  // Clamped first: integers beyond 32 bits are no numbers.
  typename V::F code(typename V::F scaled) const { return V::convert(V::round(V::min(V::max(scaled, V::set(0.0f)), top))); }
  typename V::F level(typename V::F code) const { return V::add(V::mul(code, step), lower); }

  // The part of the gradient g that reaches x; the rest, and the residue of the rounding, go to the bounds.
  typename V::F gradient(typename V::F g, typename V::F x, typename V::F scaled, typename V::F code, BoundSums<V>& sums) const {
    const typename V::F above = V::where_different(V::max(x, upper), upper, g), below = V::where_different(V::min(x, lower), lower, g);
    const typename V::F inside = V::sub(V::sub(g, above), below);
    sums.inside = V::fma(inside, V::sub(code, scaled), sums.inside);
    sums.above = V::add(sums.above, above);
    sums.below = V::add(sums.below, below);
    return inside;
  }
};

// out[t][c] = the level of x[t][c]; zero where c is no channel.
template <class V>
inline void quantize_rows(const Rows<const float>& x, int tokens, int channels, int width, const GridConstants& constants, float* out) {
  const GridVectors<V> grid(constants);
  for (int t = 0; t < tokens; ++t) {
    for (int c = 0; c < channels; c += V::lanes) {
      const int n = smaller(channels - c, V::lanes);
      const typename V::F level = grid.level(grid.code(grid.scaled(V::load_first(x.data + t * x.stride + c, n))));
      V::store_first(out + static_cast<int64_t>(t) * width + c, level, n);
    }
  }
}

template <class V>
inline void transpose(const float* rows, int tokens, int channels, int width, int columns, float* out) {
  for (int c = 0; c < channels; ++c) {
    for (int t = 0; t < tokens; ++t) out[static_cast<int64_t>(c) * columns + t] = rows[static_cast<int64_t>(t) * width + c];
  }
}

template <class V>
inline void quantize_operands(const HeadArgs& args, const HeadScratch<V>& at) {
  quantize_rows<V>(args.q, args.tokens, args.channels, at.width, args.q_grid, at.q);
  quantize_rows<V>(args.k, args.tokens, args.channels, at.width, args.k_grid, at.k);
  quantize_rows<V>(args.v, args.tokens, args.channels, at.width, args.v_grid, at.v);
  transpose<V>(at.k, args.tokens, args.channels, at.width, at.columns, at.k_transposed);
}

// out[r][t] = sum over c of rows[r][c] * transposed[c][t].
template <class V>
inline void products(const float* rows, const float* transposed, int channels, int width, int columns, float* out) {
  using F = typename V::F;
  for (int t = 0; t < columns; t += V::lanes) {
    F acc[block_rows];
    for (int r = 0; r < block_rows; ++r) acc[r] = V::set(0.0f);
    for (int c = 0; c < channels; ++c) {
      const F column = V::load(transposed + static_cast<int64_t>(c) * columns + t);
      for (int r = 0; r < block_rows; ++r) acc[r] = V::fma(V::set(rows[r * width + c]), column, acc[r]);
    }
    for (int r = 0; r < block_rows; ++r) V::store(out + r * columns + t, acc[r]);
  }
}

// out[r][c] = sum over t of weights[r][t] * matrix[t][c], `count` rows of it.
template <class V>
inline void combine(const float* weights, const float* matrix, int tokens, int channels, int width, int columns, int count, const Rows<float>& out) {
  using F = typename V::F;
  for (int c = 0; c < channels; c += V::lanes) {
    F acc[block_rows];
    for (int r = 0; r < block_rows; ++r) acc[r] = V::set(0.0f);
    for (int t = 0; t < tokens; ++t) {
      const F row = V::load(matrix + static_cast<int64_t>(t) * width + c);
      for (int r = 0; r < block_rows; ++r) acc[r] = V::fma(V::set(weights[r * columns + t]), row, acc[r]);
    }
    for (int r = 0; r < count; ++r) V::store_first(out.data + r * out.stride + c, acc[r], smaller(channels - c, V::lanes));
  }
}

// matrix[t][c] += sum over r of weights[r][t] * rows[r][c].
template <class V>
inline void spread(const float* weights, const float* rows, int tokens, int width, int columns, float* matrix) {
  using F = typename V::F;
  for (int c = 0; c < width; c += V::lanes) {
    F held[block_rows];
    for (int r = 0; r < block_rows; ++r) held[r] = V::load(rows + r * width + c);
    for (int t = 0; t < tokens; ++t) {
      F acc = V::load(matrix + static_cast<int64_t>(t) * width + c);
      for (int r = 0; r < block_rows; ++r) acc = V::fma(V::set(weights[r * columns + t]), held[r], acc);
      V::store(matrix + static_cast<int64_t>(t) * width + c, acc);
    }
  }
}

// softmax(row + bias) in place; columns that are no keys become zero.
template <class V>
inline void softmax_row(float* row, const float* bias, int tokens, int columns) {
  using F = typename V::F;
  F top = V::set(never);
  for (int t = 0; t < tokens; t += V::lanes) V::store(row + t, V::add(V::load(row + t), V::load_first(bias + t, smaller(tokens - t, V::lanes))));
  for (int t = tokens; t < columns; ++t) row[t] = never;
  for (int t = 0; t < columns; t += V::lanes) top = V::max(top, V::load(row + t));
  const F greatest = V::set(V::greatest(top));
  F sum = V::set(0.0f);
  for (int t = 0; t < columns; t += V::lanes) {
    const F raised = V::exp2(V::mul(V::sub(V::load(row + t), greatest), V::set(log2_e)));
    V::store(row + t, raised);
    sum = V::add(sum, raised);
  }
  const F inverse = V::set(1.0f / V::sum(sum));
  for (int t = 0; t < columns; t += V::lanes) V::store(row + t, V::mul(V::load(row + t), inverse));
}

// The shares of the block of queries that begins at `first`.
template <class V>
inline void block_shares(const HeadArgs& args, const HeadScratch<V>& at, int first) {
  products<V>(at.q + static_cast<int64_t>(first) * at.width, at.k_transposed, args.channels, at.width, at.columns, at.shares);
  for (int r = 0; r < block_rows; ++r) {
    const int64_t query = smaller(first + r, args.tokens - 1);
    softmax_row<V>(at.shares + r * at.columns, args.bias + query * args.tokens, args.tokens, at.columns);
  }
}

template <class V>
void attention_forward(const HeadForwardArgs& all) {
  const HeadArgs& args = all.head;
  const typename V::Guard guard;
  (void)guard;
  const HeadScratch<V> at(args.tokens, args.channels, args.scratch);
  quantize_operands<V>(args, at);
  const GridVectors<V> grid(args.shares_grid);
  for (int first = 0; first < args.tokens; first += block_rows) {
    block_shares<V>(args, at, first);
    for (int i = 0; i < block_rows * at.columns; i += V::lanes) V::store(at.shares + i, grid.level(grid.code(grid.scaled(V::load(at.shares + i)))));
    combine<V>(at.shares, at.v, args.tokens, args.channels, at.width, at.columns, smaller(args.tokens - first, block_rows),
               {all.out.data + first * all.out.stride, all.out.stride});
  }
}

// From a row of gradients of quantized shares to one of scores, in place; `levels` becomes the quantized shares.
template <class V>
inline void scores_gradient(float* grad, const float* shares, float* levels, int columns, const GridVectors<V>& grid, BoundSums<V>& sums) {
  using F = typename V::F;
  F weighted = V::set(0.0f);
  for (int t = 0; t < columns; t += V::lanes) {
    const F share = V::load(shares + t), scaled = grid.scaled(share), code = grid.code(scaled);
    const F inside = grid.gradient(V::load(grad + t), share, scaled, code, sums);
    V::store(levels + t, grid.level(code));
    V::store(grad + t, inside);
    weighted = V::fma(inside, share, weighted);
  }
  const F mean = V::set(V::sum(weighted));
  for (int t = 0; t < columns; t += V::lanes) V::store(grad + t, V::mul(V::load(shares + t), V::sub(V::load(grad + t), mean)));
}

// From the gradient of the levels of x to that of x and of the bounds.
template <class V>
inline BoundGradients rows_gradient(const Rows<const float>& x, const float* grad, int tokens, int channels, int width, const GridConstants& constants, const Rows<float>& out) {
  const GridVectors<V> grid(constants);
  BoundSums<V> sums;
  for (int t = 0; t < tokens; ++t) {
    for (int c = 0; c < channels; c += V::lanes) {
      const int n = smaller(channels - c, V::lanes);
      const typename V::F value = V::load_first(x.data + t * x.stride + c, n), scaled = grid.scaled(value);
      const typename V::F g = V::load_first(grad + static_cast<int64_t>(t) * width + c, n);
      V::store_first(out.data + t * out.stride + c, grid.gradient(g, value, scaled, grid.code(scaled), sums), n);
    }
  }
  return sums.total(constants);
}

template <class V>
void attention_backward(const HeadBackwardArgs& all) {
  const HeadArgs& args = all.head;
  const int tokens = args.tokens, channels = args.channels;
  const typename V::Guard guard;
  (void)guard;
  const HeadScratch<V> at(tokens, channels, args.scratch);
  quantize_operands<V>(args, at);
  transpose<V>(at.v, tokens, channels, at.width, at.columns, at.v_transposed);
  for (int t = 0; t < tokens; ++t) {
    const int64_t row = static_cast<int64_t>(t) * at.width;
    for (int c = 0; c < channels; ++c) at.grad[row + c] = all.grad.data[t * all.grad.stride + c];
    for (int c = 0; c < at.width; ++c) at.grad_k[row + c] = at.grad_v[row + c] = 0.0f;
  }
  const GridVectors<V> grid(args.shares_grid);
  BoundSums<V> sums;
  for (int first = 0; first < tokens; first += block_rows) {
    const int64_t row = static_cast<int64_t>(first) * at.width;
    block_shares<V>(args, at, first);
    products<V>(at.grad + row, at.v_transposed, channels, at.width, at.columns, at.grad_shares);
    for (int r = 0; r < block_rows; ++r) {
      const int from = r * at.columns;
      scores_gradient<V>(at.grad_shares + from, at.shares + from, at.levels + from, at.columns, grid, sums);
    }
    combine<V>(at.grad_shares, at.k, tokens, channels, at.width, at.columns, block_rows, {at.grad_q + row, at.width});
    spread<V>(at.grad_shares, at.q + row, tokens, at.width, at.columns, at.grad_k);
    spread<V>(at.levels, at.grad + row, tokens, at.width, at.columns, at.grad_v);
  }
  all.bounds[0] = rows_gradient<V>(args.q, at.grad_q, tokens, channels, at.width, args.q_grid, all.grad_q);
  all.bounds[1] = rows_gradient<V>(args.k, at.grad_k, tokens, channels, at.width, args.k_grid, all.grad_k);
  all.bounds[2] = sums.total(args.shares_grid);
  all.bounds[3] = rows_gradient<V>(args.v, at.grad_v, tokens, channels, at.width, args.v_grid, all.grad_v);
}

template <class V>
constexpr AttentionTable make_attention_table(const char* isa) {
  return {isa, [](int tokens, int channels) { return HeadScratch<V>(tokens, channels, nullptr).floats; }, &attention_forward<V>, &attention_backward<V>};
}

}  // namespace intaglio::training
