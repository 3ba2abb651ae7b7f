#include "ops/conv_weights.h"

#include <algorithm>

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

size_t weight_at(const ConvGeometry& geometry, int n, int c, int tap) {
  return (static_cast<size_t>(n) * static_cast<size_t>(geometry.in) + static_cast<size_t>(c)) * static_cast<size_t>(geometry.taps()) + static_cast<size_t>(tap);
}

}  // namespace

std::vector<float> pack_float_weights(const ConvGeometry& geometry, const std::vector<float>& weight) {
  std::vector<float> words(weight.size());
  for_each_weight_word(geometry, geometry.in, [&](size_t word, int n, int c, int tap) { words[word] = weight[weight_at(geometry, n, c, tap)]; });
  return words;
}

PackedCodes pack_code_weights(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, const std::vector<Grid>& grids, const Grid& input,
                              const std::vector<float>& bias) {
  const int shift = grids.front().bits == 8 ? 128 : 0;
  const int groups = (geometry.in + 3) / 4;
  const double terms = static_cast<double>(geometry.in) * geometry.taps();
  PackedCodes packed;
  packed.words.resize(static_cast<size_t>(geometry.out) * static_cast<size_t>(groups) * static_cast<size_t>(geometry.taps()));
  for_each_weight_word(geometry, groups, [&](size_t word, int n, int group, int tap) {
    uint32_t bits = 0;
    for (int lane = 0; lane < 4 && 4 * group + lane < geometry.in; ++lane) {
      const int code = codes[weight_at(geometry, n, 4 * group + lane, tap)] - shift;
      bits |= static_cast<uint32_t>(static_cast<uint8_t>(code)) << (8 * lane);
    }
    packed.words[word] = static_cast<int32_t>(bits);
  });
  for (int n = 0; n < geometry.out; ++n) {
    const Grid& grid = grids[static_cast<size_t>(n)];
    const auto first = codes.begin() + static_cast<std::ptrdiff_t>(weight_at(geometry, n, 0, 0));
    double sum = 0.0;
    std::for_each(first, first + static_cast<std::ptrdiff_t>(terms), [&](uint8_t code) { sum += code; });
    const double step_x = input.step, step_w = grid.step, lower_x = input.lower, lower_w = grid.lower;
    packed.scale.push_back(static_cast<float>(step_x * step_w));
    packed.of_sum.push_back(static_cast<float>(step_x * (lower_w + shift * step_w)));
    packed.constant.push_back(static_cast<float>(step_w * lower_x * sum + terms * lower_x * lower_w + bias[static_cast<size_t>(n)]));
  }
  packed.wide = 2 * input.top() * (shift ? 128 : grids.front().top()) > 32767;
  return packed;
}

}  // namespace intaglio
