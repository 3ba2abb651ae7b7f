#include "ops/conv_weights.h"

#include <numeric>

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

}  // namespace

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
  constants.shift = 1 << (grids.front().bits - 1);
  constants.wide = needs_wide(input.top(), constants.shift);
  constants.pair_groups = pair_words(input.top(), constants.shift) / geometry.taps();
  const auto terms = static_cast<std::ptrdiff_t>(geometry.in) * geometry.taps();
  auto kernel = codes.begin();
  for (size_t n = 0; n < bias.size(); ++n, kernel += terms) {
    const double sum = std::accumulate(kernel, kernel + terms, 0.0);
    const double step_x = input.step, lower_x = input.lower, step_w = grids[n].step, lower_w = grids[n].lower;
    constants.scale.push_back(static_cast<float>(step_x * step_w));
    constants.of_sum.push_back(static_cast<float>(step_x * (lower_w + constants.shift * step_w)));
    constants.constant.push_back(static_cast<float>(step_w * lower_x * sum + static_cast<double>(terms) * lower_x * lower_w + bias[n]));
  }
  return constants;
}

}  // namespace intaglio
