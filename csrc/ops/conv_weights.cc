#include "ops/conv_weights.h"

#include <numeric>

#include "ops/code_rows.h"
#include "ops/pack_linear.h"

namespace intaglio {
namespace {

// Calls place(word, n, group, tap) for every word, in the order of storage.
template <class Place>
void for_each_weight_word(const ConvGeometry& geometry, int groups, Place place) {
  size_t word = 0;
  for (int n = 0, block; n < geometry.out; n += block) {
    block = conv_block(geometry.out - n);
    for (int group = 0; group < groups; ++group) {
      for (int tap = 0; tap < geometry.taps(); ++tap) {
        for (int m = 0; m < block; ++m) place(word++, n + m, group, tap);
      }
    }
  }
}

// Twice the matrix that transforms kernels; parts of a patch are rows times columns of it.
constexpr int twice_transform[4][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};

// Four times the part f of a transformed kernel, of which `at(tap)` are the nine numbers.
template <class At>
auto four_times(int f, At at) {
  auto sum = at(0) * 0;
  for (int tap = 0; tap < 9; ++tap) sum += at(tap) * (twice_transform[f / 4][tap / 3] * twice_transform[f % 4][tap % 3]);
  return sum;
}

// Calls place(word, n, f, c) for every word, in the order of storage.
template <class Place>
void for_each_patch_word(const ConvGeometry& geometry, int depth, Place place) {
  size_t word = 0;
  for (int f = 0; f < 16; ++f) {
    for (int n = 0, block; n < geometry.out; n += block) {
      block = patch_block(geometry.out - n);
      for (int c = 0; c < depth; ++c) {
        for (int m = 0; m < block; ++m) place(word++, n + m, f, c);
      }
    }
  }
}

}  // namespace

std::vector<float> pack_float_patches(const ConvGeometry& geometry, const std::vector<float>& weight) {
  std::vector<float> words(static_cast<size_t>(16 * geometry.in * geometry.out));
  for_each_patch_word(geometry, geometry.in, [&](size_t word, int n, int f, int c) {
    words[word] = static_cast<float>(0.25 * four_times(f, [&](int tap) { return static_cast<double>(weight[weight_at(geometry, n, c, tap)]); }));
  });
  return words;
}

AlignedVector<int32_t> pack_code_patches(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, int shift) {
  const int depth = (geometry.in + 3) / 4 * 2;
  AlignedVector<int32_t> words(static_cast<size_t>(16 * depth * geometry.out));
  for_each_patch_word(geometry, depth, [&](size_t word, int n, int f, int pair) {
    uint32_t bits = 0;
    for (int half = 0; half < 2; ++half) {
      const int c = pair / 2 * 4 + pair % 2 + 2 * half;
      if (c >= geometry.in) continue;
      const int part = four_times(f, [&](int tap) { return static_cast<int>(codes[weight_at(geometry, n, c, tap)]) - shift; });
      bits |= static_cast<uint32_t>(static_cast<uint16_t>(part)) << (16 * half);
    }
    words[word] = static_cast<int32_t>(bits);
  });
  return words;
}

size_t weight_at(const ConvGeometry& geometry, int n, int c, int tap) {
  const auto in = static_cast<size_t>(geometry.in), taps = static_cast<size_t>(geometry.taps());
  return (static_cast<size_t>(n) * in + static_cast<size_t>(c)) * taps + static_cast<size_t>(tap);
}

int32_t code_word(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, int n, int group, int tap, int shift) {
  uint32_t bits = 0;
  for (int lane = 0; lane < 4 && 4 * group + lane < geometry.in; ++lane) {
    const int code = codes[weight_at(geometry, n, 4 * group + lane, tap)] - shift;
    bits |= static_cast<uint32_t>(static_cast<uint8_t>(code)) << (8 * lane);
  }
  return static_cast<int32_t>(bits);
}

std::vector<float> pack_float_weights(const ConvGeometry& geometry, const std::vector<float>& weight) {
  std::vector<float> words(weight.size());
  for_each_weight_word(geometry, geometry.in, [&](size_t word, int n, int c, int tap) { words[word] = weight[weight_at(geometry, n, c, tap)]; });
  return words;
}

AlignedVector<int32_t> pack_code_weights(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, int shift) {
  const int groups = (geometry.in + 3) / 4;
  AlignedVector<int32_t> words(static_cast<size_t>(geometry.out) * static_cast<size_t>(groups * geometry.taps()));
  for_each_weight_word(geometry, groups,
                       [&](size_t word, int n, int group, int tap) { words[word] = code_word(geometry, codes, n, group, tap, shift); });
  return words;
}

CodeConstants CodeConstants::of(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, const std::vector<Grid>& grids, const Grid& input,
                                const std::vector<float>& bias) {
  CodeConstants constants;
  const int zero = zero_code(grids);
  constants.shift = 1 << (grids.front().bits - 1);
  constants.apart = static_cast<float>(constants.shift - zero);
  constants.wide = needs_wide(input.top(), constants.shift);
  constants.pair_groups = pair_words(input.top(), constants.shift) / geometry.taps();
  const auto terms = static_cast<std::ptrdiff_t>(geometry.in) * geometry.taps();
  auto kernel = codes.begin();
  for (size_t n = 0; n < bias.size(); ++n, kernel += terms) {
    const double sum = std::accumulate(kernel, kernel + terms, 0.0);
    const double step_x = input.step, lower_x = input.lower, step_w = grids[n].step, lower_w = grids[n].lower;
    constants.scale.push_back(static_cast<float>(step_x * step_w));
    constants.of_sum.push_back(static_cast<float>(step_x * (lower_w + zero * step_w)));
    constants.constant.push_back(static_cast<float>(step_w * lower_x * sum + static_cast<double>(terms) * lower_x * lower_w + bias[n]));
  }
  return constants;
}

}  // namespace intaglio
