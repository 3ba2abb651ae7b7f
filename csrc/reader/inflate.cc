// Written here because the one text of a model is all that is deflated, and a hundred lines are less than a library that browsers, Windows and wheels
// would each get in another way. Speed does not matter: a text has some hundred kilobytes.
#include "reader/inflate.h"

#include <array>
#include <vector>

#include "engine/error.h"

namespace intaglio {
namespace {

constexpr int longest = 15;  // bits of a code

[[noreturn]] void refuse(const char* why) { throw Error(std::string("the operations cannot be inflated (") + why + "); fetch the file again"); }

class Bits {
 public:
  explicit Bits(std::string_view data) : data_(data) {}

  uint32_t take(int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) value |= bit() << i;
    return value;
  }
  uint32_t bit() {
    if (at_ / 8 >= data_.size()) refuse("it ends early");
    const uint32_t value = static_cast<uint8_t>(data_[at_ / 8]) >> (at_ % 8) & 1u;
    ++at_;
    return value;
  }
  void to_byte() { at_ = (at_ + 7) / 8 * 8; }
  // The next bytes, as they are.
  std::string_view bytes(size_t count) {
    if (data_.size() - at_ / 8 < count) refuse("it ends early");
    const std::string_view part = data_.substr(at_ / 8, count);
    at_ += 8 * count;
    return part;
  }
  bool at_end() const { return at_ / 8 == data_.size(); }

 private:
  std::string_view data_;
  size_t at_ = 0;  // in bits
};

// A canonical Huffman code: how many symbols have a length, and the symbols in order.
class Code {
 public:
  // `whole`: the code of code lengths may not leave bit strings unused; the others may, if their only codes have one bit.
  Code(const uint8_t* lengths, size_t count, bool whole) : symbols_(count) {
    for (size_t i = 0; i < count; ++i) ++counts_[lengths[i]];
    const bool none = counts_[0] == static_cast<int>(count);
    const bool single = counts_[0] + counts_[1] == static_cast<int>(count);
    counts_[0] = 0;
    int left = 1;
    for (int length = 1; length <= longest; ++length) {
      left = 2 * left - counts_[static_cast<size_t>(length)];
      if (left < 0) refuse("too many codes");
    }
    if (left > 0 && !none && (whole || !single)) refuse("a code is missing");
    std::array<size_t, longest + 2> starts{};
    for (size_t length = 1; length <= longest; ++length) starts[length + 1] = starts[length] + static_cast<size_t>(counts_[length]);
    for (size_t i = 0; i < count; ++i) {
      if (lengths[i]) symbols_[starts[lengths[i]]++] = static_cast<uint16_t>(i);
    }
  }

  uint16_t read(Bits& bits) const {
    int code = 0, first = 0, index = 0;
    for (size_t length = 1; length <= longest; ++length) {
      code |= static_cast<int>(bits.bit());
      const int count = counts_[length];
      if (code - first < count) return symbols_[static_cast<size_t>(index + code - first)];
      index += count;
      first = (first + count) * 2;
      code *= 2;
    }
    refuse("an unknown code");
  }

 private:
  std::array<int, longest + 1> counts_{};
  std::vector<uint16_t> symbols_;
};

struct Codes {
  Code symbols, distances;
};

Codes fixed_codes() {
  std::array<uint8_t, 288> lengths;
  for (size_t i = 0; i < lengths.size(); ++i) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
  std::array<uint8_t, 32> distances;
  distances.fill(5);
  return {Code(lengths.data(), lengths.size(), false), Code(distances.data(), distances.size(), false)};
}

Codes told_codes(Bits& bits) {
  static constexpr uint8_t order[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  const size_t symbols = bits.take(5) + 257, distances = bits.take(5) + 1, told = bits.take(4) + 4;
  if (symbols > 286 || distances > 30) refuse("too many symbols");
  std::array<uint8_t, 19> short_lengths{};
  for (size_t i = 0; i < told; ++i) short_lengths[order[i]] = static_cast<uint8_t>(bits.take(3));
  const Code code(short_lengths.data(), short_lengths.size(), true);
  std::array<uint8_t, 286 + 30> lengths{};
  for (size_t at = 0; at < symbols + distances;) {
    const uint16_t symbol = code.read(bits);
    if (symbol < 16) {
      lengths[at++] = static_cast<uint8_t>(symbol);
      continue;
    }
    if (symbol == 16 && at == 0) refuse("a repetition of nothing");
    const uint8_t repeated = symbol == 16 ? lengths[at - 1] : 0;
    const size_t times = symbol == 16 ? 3 + bits.take(2) : symbol == 17 ? 3 + bits.take(3) : 11 + bits.take(7);
    if (at + times > symbols + distances) refuse("too many lengths");
    for (size_t i = 0; i < times; ++i) lengths[at++] = repeated;
  }
  if (!lengths[256]) refuse("a block without end");
  return {Code(lengths.data(), symbols, false), Code(lengths.data() + symbols, distances, false)};
}

void coded_block(Bits& bits, const Codes& codes, std::string& text, size_t most) {
  static constexpr uint16_t bases[] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
  static constexpr uint16_t far_bases[] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
  for (;;) {
    const uint16_t symbol = codes.symbols.read(bits);
    if (symbol == 256) return;
    size_t length = 1, distance = 0;
    if (symbol > 256) {
      const int which = symbol - 257;
      if (which > 28) refuse("an unknown length");
      length = bases[which] + bits.take(which < 8 || which == 28 ? 0 : which / 4 - 1);
      const int far = codes.distances.read(bits);
      if (far > 29) refuse("an unknown distance");
      distance = far_bases[far] + bits.take(far < 2 ? 0 : far / 2 - 1);
      if (distance > text.size()) refuse("a distance before the start");
    }
    if (length > most - text.size()) refuse("longer than a model's text may be");
    if (!distance) {
      text.push_back(static_cast<char>(symbol));
      continue;
    }
    for (size_t i = 0; i < length; ++i) text.push_back(text[text.size() - distance]);
  }
}

uint32_t adler32(std::string_view text) {
  uint32_t a = 1, b = 0;
  for (char c : text) {
    a = (a + static_cast<uint8_t>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

}  // namespace

std::string inflate(std::string_view data, size_t most) {
  Bits bits(data);
  const uint32_t method = bits.take(8), flags = bits.take(8);
  if ((method * 256 + flags) % 31 || (method & 15) != 8 || method >> 4 > 7 || flags & 32) refuse("it is not of zlib");
  std::string text;
  for (bool last = false; !last;) {
    last = bits.take(1);
    const uint32_t kind = bits.take(2);
    if (kind == 3) refuse("an unknown block");
    if (kind) {
      coded_block(bits, kind == 1 ? fixed_codes() : told_codes(bits), text, most);
      continue;
    }
    bits.to_byte();
    const uint32_t length = bits.take(16);
    if ((bits.take(16) ^ length) != 0xffff) refuse("a block of contradictory length");
    if (length > most - text.size()) refuse("longer than a model's text may be");
    text.append(bits.bytes(length));
  }
  bits.to_byte();
  uint32_t sum = 0;
  for (char c : bits.bytes(4)) sum = sum << 8 | static_cast<uint8_t>(c);
  if (sum != adler32(text)) refuse("its sum is wrong");
  if (!bits.at_end()) refuse("bytes follow");
  return text;
}

}  // namespace intaglio
