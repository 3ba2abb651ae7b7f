#include "training/attention.h"

#include <algorithm>

#include "isa/cpu.h"
#include "ops/aligned.h"
#include "training/team.h"

namespace intaglio::training {

const AttentionTable& portable_attention();
#if defined(INTAGLIO_X86)
const AttentionTable& avx2_attention();
const AttentionTable& avx512_attention();
#elif defined(INTAGLIO_ARM)
const AttentionTable& neon_attention();
#endif

namespace {

constexpr int grids = 4;

std::vector<const AttentionTable*> runnable_tables() {
  const Features cpu = detect();
  (void)cpu;
  std::vector<const AttentionTable*> found{&portable_attention()};
#if defined(INTAGLIO_X86)
  if (cpu.avx2) found.push_back(&avx2_attention());
  if (cpu.avx512) found.push_back(&avx512_attention());
#elif defined(INTAGLIO_ARM)
  if (cpu.neon_dot) found.push_back(&neon_attention());
#endif
  return found;
}

template <class T>
Rows<T> rows(const Heads<T>& heads, int64_t window, int64_t head) {
  return {heads.data + window * heads.window + head * heads.head, heads.token};
}

// body(args, window, head) for every head of every window, with the thread's scratch in place.
template <class Body>
void each_head(const AttentionInputs& in, const AttentionTable& table, int threads, Body&& body) {
  const AttentionShape& shape = in.shape;
  const int64_t area = static_cast<int64_t>(shape.tokens) * shape.tokens;
  const GridConstants q = constants(in.q_grid), k = constants(in.k_grid), shares = constants(in.shares_grid), v = constants(in.v_grid);
  const int64_t size = table.scratch(shape.tokens, shape.channels);
  AlignedVector<float> scratch(static_cast<size_t>(size * std::max(threads, 1)));
  run_team(threads, shape.windows * shape.heads, [&](int thread, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t window = i / shape.heads, head = i % shape.heads;
      const float* bias = in.bias + (window % shape.maps * shape.heads + head) * area;
      body(HeadArgs{shape.tokens, shape.channels, rows(in.q, window, head), rows(in.k, window, head), rows(in.v, window, head), bias, q, k, shares, v,
                    scratch.data() + thread * size},
           window, head);
    }
  });
}

}  // namespace

const std::vector<const AttentionTable*>& attention_tables() {
  static const std::vector<const AttentionTable*> tables = runnable_tables();
  return tables;
}

void attention(const AttentionInputs& in, const Heads<float>& out, const AttentionTable& table, int threads) {
  each_head(in, table, threads, [&](const HeadArgs& args, int64_t window, int64_t head) { table.forward({args, rows(out, window, head)}); });
}

std::vector<BoundGradients> attention_backward(const AttentionInputs& in, const Heads<const float>& grad, const AttentionGradients& out,
                                               const AttentionTable& table, int threads) {
  const AttentionShape& shape = in.shape;
  // Head by head, so that the order of the sums does not depend on the threads.
  std::vector<BoundGradients> parts(static_cast<size_t>(shape.windows * shape.heads * grids));
  each_head(in, table, threads, [&](const HeadArgs& args, int64_t window, int64_t head) {
    table.backward({args, rows(grad, window, head), rows(out.q, window, head), rows(out.k, window, head), rows(out.v, window, head),
                      parts.data() + (window * shape.heads + head) * grids});
  });
  std::vector<BoundGradients> sums(grids, BoundGradients{0.0, 0.0});
  for (size_t i = 0; i < parts.size(); ++i) {
    sums[i % grids].lower += parts[i].lower;
    sums[i % grids].upper += parts[i].upper;
  }
  return sums;
}

}  // namespace intaglio::training
