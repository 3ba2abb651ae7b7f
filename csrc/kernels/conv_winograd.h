// Convolutions of 3 x 3 at stride 1 by Winograd's minimal filtering F(2 x 2, 3 x 3) (Lavin and Gray, CVPR 2016, section 4.1): a patch of 4 x 4 pixels gives
// 2 x 2 outputs by 16 products for each pair of channels instead of 36. Patches are in lanes.
//
// Codes stay exact integers: their patches need 11 bits, weights (times 4, so that nothing is halved) 12, products are those of 16-bit pairs, and the sums
// are 4 R, which a power of two in the scale undoes without a rounding. It is for codes of so many bits that sums of byte products do not fit 16.
#pragma once

#include "kernels/conv_pack.h"
#include "kernels/conv_tile.h"

namespace intaglio::kernels {

template <class V>
concept HasPatches = requires { V::has_patches; };

inline constexpr int patch_parts = 16;  // of a transformed patch, row by row

// Float words, a channel each.
template <class V>
struct FloatPatch : FloatTerm<V> {
  using Sum = typename V::F;
  static Sum plus(Sum a, Sum b) { return V::add(a, b); }
  static Sum minus(Sum a, Sum b) { return V::sub(a, b); }
  static void store(float* p, Sum a) { V::store(p, a); }
};

// Words of two 16-bit numbers.
template <class V>
struct CodePatch {
  using Sum = typename V::I;
  using Word = int32_t;
  static Sum zero() { return V::set_i(0); }
  static Sum load(const int32_t* p) { return V::load_i(p); }
  static Sum broadcast(int32_t word) { return V::set_i(word); }
  static Sum multiply(Sum sum, Sum pixels, Sum weight) { return V::add_i(sum, V::multiply_pairs(pixels, weight)); }
  static Sum plus(Sum a, Sum b) { return V::add_i(a, b); }
  static Sum minus(Sum a, Sum b) { return V::sub_i(a, b); }
  static void store(int32_t* p, Sum a) { V::store_i(p, a); }
};

// B^T d B by rows, then by columns, with the additions of `Plus` and `Minus`.
template <class Sum, class Plus, class Minus>
inline void transform_patch(Sum (&d)[4][4], const Plus& plus, const Minus& minus) {
  const auto four = [&](Sum& a, Sum& b, Sum& c, Sum& e) {
    const Sum first = minus(a, c), second = plus(b, c), third = minus(c, b), fourth = minus(b, e);
    a = first, b = second, c = third, e = fourth;
  };
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) four(d[0][k], d[1][k], d[2][k], d[3][k]);
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) four(d[r][0], d[r][1], d[r][2], d[r][3]);
}

// Where the transformed patches and the sums of one run lie: [part][depth][run] and [part][output][run] words.
template <class Word>
struct PatchRun {
  Word *patches, *sums;
  int depth;       // channels, or pairs of them
  int vectors;     // of patches in this run
  int64_t length;  // words of a run
};

template <class V>
inline void transform_floats(const ConvTile& tile, const float* field, const PatchRun<float>& run) {
  using F = typename V::F;
  const int64_t part = run.depth * run.length;
  for (int c = 0; c < run.depth; ++c, field += tile.band.pitch) {
    for (int v = 0; v < run.vectors; ++v) {
      F d[4][4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        const float* row = field + r * tile.band.row() + 2 * v * V::lanes;
        V::split(V::load(row), V::load(row + V::lanes), d[r][0], d[r][1]);
        V::split(V::load(row + 2), V::load(row + 2 + V::lanes), d[r][2], d[r][3]);
      }
      transform_patch(d, V::add, V::sub);
      float* to = run.patches + c * run.length + v * V::lanes;
#pragma GCC unroll 16
      for (int f = 0; f < patch_parts; ++f) V::store(to + f * part, d[f / 4][f % 4]);
    }
  }
}

// Codes of four channels a word become pairs of the first and third, and of the second and fourth.
template <class V>
inline void transform_codes(const ConvTile& tile, const int32_t* field, const PatchRun<int32_t>& run) {
  using I = typename V::I;
  const int64_t part = run.depth * run.length;
  for (int pair = 0; pair < run.depth; ++pair) {
    const int32_t* plane = field + pair / 2 * tile.band.pitch;
    for (int v = 0; v < run.vectors; ++v) {
      I d[4][4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        const int32_t* row = plane + r * tile.band.row() + 2 * v * V::lanes;
        V::split_i(V::load_i(row), V::load_i(row + V::lanes), d[r][0], d[r][1]);
        V::split_i(V::load_i(row + 2), V::load_i(row + 2 + V::lanes), d[r][2], d[r][3]);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) d[r][k] = pair % 2 ? V::odd_bytes(d[r][k]) : V::even_bytes(d[r][k]);
      }
      transform_patch(d, V::add_words, V::sub_words);
      int32_t* to = run.patches + pair * run.length + v * V::lanes;
#pragma GCC unroll 16
      for (int f = 0; f < patch_parts; ++f) V::store_i(to + f * part, d[f / 4][f % 4]);
    }
  }
}

// One part of M outputs by T vectors of patches.
template <class V, class Term, int M, int T>
inline void patch_tile(const typename Term::Word* patches, int64_t length, int depth, const typename Term::Word* weights, typename Term::Word* sums) {
  typename Term::Sum sum[M][T];
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sum[m][t] = Term::zero();
  }
  for (int c = 0; c < depth; ++c, patches += length, weights += M) {
    typename Term::Sum pixels[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) pixels[t] = Term::load(patches + t * V::lanes);
#pragma GCC unroll 6
    for (int m = 0; m < M; ++m) {
      const auto weight = Term::broadcast(weights[m]);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) sum[m][t] = Term::multiply(sum[m][t], pixels[t], weight);
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) Term::store(sums + m * length + t * V::lanes, sum[m][t]);
  }
}

template <class V, class Term, int M>
inline void patch_strip(const PatchRun<typename Term::Word>& run, const typename Term::Word* patches, const typename Term::Word* weights, typename Term::Word* sums) {
  int t = 0;
  for (; t + widest<V> <= run.vectors; t += widest<V>) {
    patch_tile<V, Term, M, widest<V>>(patches + t * V::lanes, run.length, run.depth, weights, sums + t * V::lanes);
  }
  for (; t < run.vectors; ++t) patch_tile<V, Term, M, 1>(patches + t * V::lanes, run.length, run.depth, weights, sums + t * V::lanes);
}

// All products of a run: weights are [part][block][depth][output of the block].
template <class V, class Term>
inline void multiply_patches(int outputs, const PatchRun<typename Term::Word>& run, const typename Term::Word* weights) {
  for (int f = 0; f < patch_parts; ++f) {
    const typename Term::Word* patches = run.patches + f * run.depth * run.length;
    for (int n = 0, block; n < outputs; n += block) {
      block = patch_block(outputs - n);
      typename Term::Word* sums = run.sums + (static_cast<int64_t>(f) * outputs + n) * run.length;
      switch (block) {
        case 6: patch_strip<V, Term, 6>(run, patches, weights, sums); break;
        case 2: patch_strip<V, Term, 2>(run, patches, weights, sums); break;
        default: patch_strip<V, Term, 1>(run, patches, weights, sums); break;
      }
      weights += static_cast<int64_t>(block) * run.depth;
    }
  }
}

// A^T m A for one of the two rows of outputs: the pixels at even and at odd places.
template <class V, class Term>
inline void outputs_of(const typename Term::Word* sums, int64_t part, int row, typename Term::Sum& even, typename Term::Sum& odd) {
  typename Term::Sum a[4];
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const auto second = Term::load(sums + (4 + k) * part), third = Term::load(sums + (8 + k) * part);
    a[k] = row ? Term::minus(Term::minus(second, third), Term::load(sums + (12 + k) * part)) : Term::plus(Term::plus(Term::load(sums + k * part), second), third);
  }
  even = Term::plus(Term::plus(a[0], a[1]), a[2]);
  odd = Term::minus(Term::minus(a[1], a[2]), a[3]);
}

// Runs of patches of all pairs of rows: transform(field, run) fills the patches, then finish(tile, n, row, vector, field, even, odd) makes results.
template <class V, class Term, class Transform, class Prepare, class Finish>
inline void for_each_patch_run(const ConvTile& tile, int depth, const typename Term::Word* weights, const Transform& transform, const Prepare& prepare, const Finish& finish) {
  using Word = typename Term::Word;
  const int64_t length = patch_vectors * V::lanes, span = 2 * length, part = tile.geometry.out * length;
  auto* patches = static_cast<Word*>(tile.patches);
  PatchRun<Word> run{patches, patches + patch_parts * depth * length, depth, 0, length};
  for (int64_t y = tile.y0; y < tile.y1; y += 2) {
    for (int64_t x = tile.x0; x < tile.x1; x += span) {
      const Word* field = static_cast<const Word*>(tile.scratch) + (y - tile.y0) * tile.band.row() + (x - tile.x0);
      const int64_t left = tile.x1 - x, pixels = left < span ? left : span;
      run.vectors = static_cast<int>((pixels + 2 * V::lanes - 1) / (2 * V::lanes));
      transform(field, run);
      multiply_patches<V, Term>(tile.geometry.out, run, weights);
      for (int row = 0; row < 2 && y + row < tile.y1; ++row) {
        prepare(field, row, run.vectors);
        finish_run<V>(tile, y + row, x, span, span, [&](const ConvTile& to, int64_t at_y, int64_t at_x) {
          for (int n = 0; n < tile.geometry.out; ++n) {
            for (int v = 0; v < run.vectors; ++v) {
              typename Term::Sum even, odd;
              outputs_of<V, Term>(run.sums + n * length + v * V::lanes, part, row, even, odd);
              typename V::F first, second;
              finish(n, v, even, odd, first, second);
              const int64_t at = at_x + 2 * v * V::lanes;
              store_result<V>(to, n, at_y, at, first);
              if (at + V::lanes < tile.x1) store_result<V>(to, n, at_y, at + V::lanes, second);
            }
          }
        });
      }
    }
  }
}

template <class V>
void conv_float_patches(const ConvFloatArgs& args) {
  using F = typename V::F;
  const ConvTile& tile = args.tile;
  pack_float_band<V>(tile);
  for_each_patch_run<V, FloatPatch<V>>(
      tile, tile.geometry.in, args.weights, [&](const float* field, const PatchRun<float>& run) { transform_floats<V>(tile, field, run); },
      [](const float*, int, int) {},
      [&](int n, int, F even, F odd, F& first, F& second) {
        const F bias = V::set(args.bias[n]);
        V::join(V::add(even, bias), V::add(odd, bias), first, second);
      });
}

// Sums of the input codes under the kernel, of a vector of patches, for outputs at even and odd places of a row.
template <class V>
inline void sums_of_patches(const ConvTile& tile, const int32_t* field, int row, int v, typename V::F& even, typename V::F& odd) {
  typename V::I column[4];
  for (int k = 0; k < 4; ++k) column[k] = V::set_i(0);
  const int32_t* plane = field + tile.groups * tile.band.pitch + row * tile.band.row() + 2 * v * V::lanes;
  for (int r = 0; r < 3; ++r, plane += tile.band.row()) {
    typename V::I d[4];
    V::split_i(V::load_i(plane), V::load_i(plane + V::lanes), d[0], d[1]);
    V::split_i(V::load_i(plane + 2), V::load_i(plane + 2 + V::lanes), d[2], d[3]);
    for (int k = 0; k < 4; ++k) column[k] = V::add_i(column[k], d[k]);
  }
  even = V::convert(V::add_i(V::add_i(column[0], column[1]), column[2]));
  odd = V::convert(V::add_i(V::add_i(column[1], column[2]), column[3]));
}

// `scale` is that of 4 R, and `apart` four times what it is elsewhere.
template <class V>
void conv_codes_patches(const ConvCodesArgs& args) {
  using F = typename V::F;
  using I = typename V::I;
  const ConvTile& tile = args.tile;
  pack_code_band<V>(tile, args.grid);
  F even_sums[patch_vectors], odd_sums[patch_vectors];
  for_each_patch_run<V, CodePatch<V>>(
      tile, 2 * tile.groups, args.weights, [&](const int32_t* field, const PatchRun<int32_t>& run) { transform_codes<V>(tile, field, run); },
      [&](const int32_t* field, int row, int vectors) {
        for (int v = 0; v < vectors; ++v) sums_of_patches<V>(tile, field, row, v, even_sums[v], odd_sums[v]);
      },
      [&](int n, int v, I even, I odd, F& first, F& second) {
        const F scale = V::set(args.scale[n]), of_sum = V::set(args.of_sum[n]), constant = V::set(args.constant[n]);
        const auto value = [&](I product, F sum) {
          return V::fma(V::fma(sum, V::set(args.apart), V::convert(product)), scale, V::fma(sum, of_sum, constant));
        };
        V::join(value(even, even_sums[v]), value(odd, odd_sums[v]), first, second);
      });
}

}  // namespace intaglio::kernels
