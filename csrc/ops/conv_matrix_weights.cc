#include "ops/conv_matrix_weights.h"

#include <algorithm>
#include <cstring>

#include "ops/conv_weights.h"

namespace intaglio {
namespace {

constexpr int rows = 16;  // of a matrix register: outputs of one, groups of channels of the other

// Not std::bit_cast, which emscripten 3.1.6 has not.
template <class To, class From>
To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// The nearest bfloat16, half to even, as the upper half of a float's bits.
uint32_t bfloat16_bits(float x) {
  const uint32_t bits = same_bits<uint32_t>(x);
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
}

// Calls place(word, n, group, tap, part) for every word, in the order of storage. n and group may lie beyond the last.
template <class Place>
void for_each_matrix_word(const ConvGeometry& geometry, int groups, int parts, Place place) {
  size_t word = 0;
  for (int n = 0; n < geometry.out;) {
    const int block = geometry.out - n > rows ? 2 * rows : rows;
    for (int group = 0; group < groups; group += rows) {
      for (int tap = 0; tap < geometry.taps(); ++tap) {
        for (int part = 0; part < parts; ++part) {
          for (int m = 0; m < block; ++m) {
            for (int k = 0; k < rows; ++k) place(word++, n + m, group + k, tap, part);
          }
        }
      }
    }
    n += block;
  }
}

size_t matrix_word_count(const ConvGeometry& geometry, int groups, int parts) {
  const int outputs = (geometry.out + rows - 1) / rows * rows;
  return static_cast<size_t>(outputs) * static_cast<size_t>(groups) * static_cast<size_t>(geometry.taps() * parts);
}

}  // namespace

int matrix_groups(const ConvGeometry& geometry, int channels_per_word) {
  const int groups = (geometry.in + channels_per_word - 1) / channels_per_word;
  return (groups + rows - 1) / rows * rows;
}

AlignedVector<int32_t> pack_split_matrices(const ConvGeometry& geometry, const std::vector<float>& weight) {
  const int groups = matrix_groups(geometry, 2);
  AlignedVector<int32_t> words(matrix_word_count(geometry, groups, 2));
  for_each_matrix_word(geometry, groups, 2, [&](size_t word, int n, int group, int tap, int part) {
    uint32_t bits = 0;
    for (int lane = 0; lane < 2; ++lane) {
      const int c = 2 * group + lane;
      if (n >= geometry.out || c >= geometry.in) continue;
      const float value = weight[weight_at(geometry, n, c, tap)];
      const float head = same_bits<float>(bfloat16_bits(value));
      bits |= bfloat16_bits(part == 0 ? head : value - head) >> 16 << (16 * lane);
    }
    words[word] = static_cast<int32_t>(bits);
  });
  return words;
}

AlignedVector<int32_t> pack_code_matrices(const ConvGeometry& geometry, const std::vector<uint8_t>& codes, int shift) {
  const int groups = matrix_groups(geometry, 4);
  AlignedVector<int32_t> words(matrix_word_count(geometry, groups, 1));
  for_each_matrix_word(geometry, groups, 1, [&](size_t word, int n, int group, int tap, int) {
    words[word] = n < geometry.out ? code_word(geometry, codes, n, group, tap, shift) : 0;
  });
  return words;
}

}  // namespace intaglio
