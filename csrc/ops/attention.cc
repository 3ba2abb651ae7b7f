#include "ops/attention.h"

#include <algorithm>
#include <cstring>

#include "engine/error.h"
#include "ops/factories.h"
#include "ops/pack_linear.h"

namespace intaglio {
namespace {

constexpr double log2_e = 1.4426950408889634;
constexpr int64_t slack = 64;  // bytes of one vector

int64_t up_to(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

// One region after another in a thread's scratch.
struct Attention::Scratch {
  size_t end = 0, codes, sums, q, k, v, key_terms, value_terms, region, scores, map_words, context;

  Scratch(const BlockShape& shape, int lanes) {
    const int64_t padded = int64_t{shape.token_groups} * lanes, groups = shape.head_groups, width = shape.head_dim;
    codes = take(padded * 4 * groups + slack);
    sums = take(padded * 4);
    q = take(groups * padded * 4);
    k = take(groups * padded * 4);
    v = take(width * padded);
    key_terms = take(padded * 4);
    value_terms = take(width * 4);
    region = take(padded * 4);
    scores = take(padded * lanes * 4);
    map_words = take(padded * lanes);
    context = take(up_to(width, 4) * lanes * 4);
  }
  template <class T>
  static T* at(std::byte* scratch, size_t offset) {
    return reinterpret_cast<T*>(scratch + offset);
  }

 private:
  size_t take(int64_t bytes) {
    const size_t start = end;
    end += static_cast<size_t>(up_to(bytes, 64));
    return start;
  }
};

Attention::Attention(const OpSpec& spec, const KernelTable& kernels) : kernels_(kernels) {
  const int lanes = kernels.lanes;
  shape_.heads = static_cast<int>(spec.integer("heads", 1, 4096)), shape_.tokens = static_cast<int>(spec.integer("tokens", 1, 4096));
  shape_.head_dim = static_cast<int>(spec.integer("width", 1, 4096)), shape_.head_groups = (shape_.head_dim + 3) / 4;
  shape_.window = shape_.tokens, shape_.key_rows = 1;
  shape_.token_groups = static_cast<int>(up_to(shape_.tokens, 4 * lanes) / lanes);
  padded_ = shape_.token_groups * lanes;
  factors_ = spec.tensor("factor", {shape_.heads});
  q_at_ = read_place(spec, "q", shape_.head_dim, 1), k_at_ = read_place(spec, "k", 1, shape_.tokens), v_at_ = read_place(spec, "v", shape_.head_dim, 1);
  if (q_at_.channel != 1 || v_at_.channel != 1 || (k_at_.channel != 1 && k_at_.token != 1)) spec.refuse("channels of a token do not lie together");
  turned_ = spec.attrs.contains("turned");
  const int64_t all = int64_t{shape_.tokens} * shape_.head_dim;
  out_at_ = turned_ ? Place{0, shape_.heads * all, shape_.head_dim, int64_t{shape_.heads} * shape_.head_dim, 1} : Place{0, shape_.heads * all, all, shape_.head_dim, 1};
  const Grid q = spec.grid("scores.a"), k = spec.grid("scores.b"), map = spec.grid("context.a"), v = spec.grid("context.b");
  if (!map.pieces.empty()) spec.refuse("codes of the attention map come in pieces");
  q_ = code_grid(q), k_ = code_grid(k), v_ = code_grid(v);
  // As in a block (window_block.cc), but that the context stays in real units.
  const int key_shift = k.bits == 8 ? 128 : 0, value_shift = v.bits == 8 ? 128 : 0, k_most = key_shift ? 128 : k.top(), v_most = value_shift ? 128 : v.top();
  attention_.bias_group = int64_t{shape_.tokens} * lanes;
  attention_.key_shift = every_byte(key_shift), attention_.value_shift = every_byte(value_shift);
  attention_.score = static_cast<float>(static_cast<double>(q.step) * k.step * log2_e);
  attention_.key_sum = static_cast<float>(static_cast<double>(k.step) * q.lower * log2_e);
  const Affine to_map = to_grid(map);
  attention_.map = {static_cast<float>(to_map.scale), static_cast<float>(to_map.offset), code_range(map)};
  const double v_lower = static_cast<double>(v.lower) + static_cast<double>(v.step) * value_shift;
  attention_.product = static_cast<float>(static_cast<double>(map.step) * v.step);
  attention_.map_sum = static_cast<float>(map.step * v_lower);
  attention_.value_sum = static_cast<float>(static_cast<double>(v.step) * map.lower);
  attention_.constant = static_cast<float>(static_cast<double>(shape_.tokens) * map.lower * v.lower);
  wide_ = needs_wide(q.top(), k_most) || needs_wide(map.top(), v_most);
  narrow_ = is_narrow(shape_.head_groups, q.top(), k_most) && is_narrow(padded_ / 4, map.top(), v_most);
  check_reach(spec, "context.a", map, 1.0);
  ones_.assign(static_cast<size_t>(shape_.head_groups * 4 + slack), 0);
  std::fill_n(ones_.begin(), shape_.head_dim, uint8_t{1});
  pack_bias(spec.tensor("bias", {shape_.heads, shape_.tokens, shape_.tokens}));
  has_mask_ = spec.attrs.contains("shift");
  if (!has_mask_) return;
  for (size_t axis = 0; axis < 2; ++axis) mask_.window[axis] = spec.integers("window", 2)[axis], mask_.shift[axis] = spec.integers("shift", 2)[axis];
  mask_.height = spec.extents("height").at(0), mask_.width = spec.extents("width_of_map").at(0);
}

// Where heads lie in an input: as in a value of their own, whose tokens and channels are so far apart, unless it says otherwise.
Attention::Place Attention::read_place(const OpSpec& spec, const char* role, int64_t token, int64_t channel) const {
  const int64_t all = int64_t{shape_.tokens} * shape_.head_dim;
  Place place{0, shape_.heads * all, all, token, channel};
  if (spec.attrs.contains(role)) {
    const std::vector<int64_t> said = spec.integers(role, 5);
    place = {said[0], said[1], said[2], said[3], said[4]};
  }
  const int64_t most = int64_t{1} << 32;
  bool sound = true;
  for (int64_t step : {place.first, place.window, place.head, place.token, place.channel}) sound = sound && step >= 0 && step < most;
  const int64_t last = place.first + (shape_.heads - 1) * place.head + (shape_.tokens - 1) * place.token + (shape_.head_dim - 1) * place.channel;
  if (!sound || last >= place.window) spec.refuse("heads lie outside of their window");
  return place;
}

// Queries in lanes, a vector for each key, in units of log2.
void Attention::pack_bias(const std::vector<float>& bias) {
  const int64_t lanes = kernels_.lanes, tokens = shape_.tokens;
  bias_.assign(static_cast<size_t>(shape_.heads * padded_ * tokens), 0.0f);
  for (int64_t row = 0; row < shape_.heads * tokens; ++row) {
    const int64_t query = row % tokens;
    float* at = bias_.data() + row / tokens * padded_ * tokens + query / lanes * attention_.bias_group + query % lanes;
    for (int64_t key = 0; key < tokens; ++key) at[key * lanes] = static_cast<float>(bias[static_cast<size_t>(row * tokens + key)] * log2_e);
  }
}

Dims Attention::shape(const Operands& operands) const {
  const int64_t windows = operands.in.at(0).count() / q_at_.window;
  const Place* places[] = {&q_at_, &k_at_, &v_at_};
  for (size_t i = 0; i < 3; ++i) {
    if (windows < 1 || operands.in.at(i).count() != windows * places[i]->window) refuse_shapes("attention", "heads of windows as they were when it was recognised");
  }
  const Dims wanted = turned_ ? Dims{windows, shape_.tokens, shape_.heads, shape_.head_dim} : Dims{windows, shape_.heads, shape_.tokens, shape_.head_dim};
  if (has_mask_) {
    const int64_t h = mask_.height.evaluate(operands.padded_h, operands.padded_w), w = mask_.width.evaluate(operands.padded_h, operands.padded_w);
    const bool whole = h >= 1 && w >= 1 && h % mask_.window[0] == 0 && w % mask_.window[1] == 0;
    if (!whole || h / mask_.window[0] * (w / mask_.window[1]) != windows) refuse_shapes("attention", "a mask for each window");
  }
  return wanted;
}

Workspace Attention::workspace(const Operands&) const { return {Scratch(shape_, kernels_.lanes).end, 0}; }

// The region of each token of a window of the rolled map; false if all are in one.
bool Attention::regions(const Context& context, int64_t window, float* region) const {
  const int64_t side[2] = {mask_.height.evaluate(context.padded_h, context.padded_w), mask_.width.evaluate(context.padded_h, context.padded_w)};
  const int64_t across = side[1] / mask_.window[1], first[2] = {window / across * mask_.window[0], window % across * mask_.window[1]};
  if (first[0] + mask_.window[0] < side[0] && first[1] + mask_.window[1] < side[1]) return false;
  const auto part = [&](int64_t at, int axis) { return (at >= side[axis] - mask_.window[axis]) + (at >= side[axis] - mask_.shift[axis]); };
  bool several = false;
  for (int64_t token = 0; token < shape_.tokens; ++token) {
    region[token] = static_cast<float>(3 * part(first[0] + token / mask_.window[1], 0) + part(first[1] + token % mask_.window[1], 1));
    several = several || region[token] != region[0];
  }
  return several;
}

// Words of four channels, from rows of tokens or from rows of channels, and the term of each key.
void Attention::code_keys(const Context& context, int64_t window, int64_t head, std::byte* scratch) const {
  const Scratch at(shape_, kernels_.lanes);
  const float* from = context.in[1].data + k_at_.of(window, head);
  auto *sums = Scratch::at<int32_t>(scratch, at.sums), *k = Scratch::at<int32_t>(scratch, at.k);
  auto* key_terms = Scratch::at<float>(scratch, at.key_terms);
  if (k_at_.token == 1) {
    kernels_.code_columns({from, k_at_.channel, k, sums, padded_, shape_.head_dim, shape_.tokens, attention_.key_shift != 0, k_});
  } else {
    auto* codes = Scratch::at<uint8_t>(scratch, at.codes);
    kernels_.code_rows({from, k_at_.token, codes, sums, ones_.data(), shape_.tokens, shape_.head_dim, 4 * shape_.head_groups, k_});
    spread(codes, k, attention_.key_shift);
  }
  const float scale = attention_.key_sum * factors_[static_cast<size_t>(head)];
  for (int t = 0; t < shape_.tokens; ++t) key_terms[t] = scale * static_cast<float>(sums[t]);
}

// Words of one channel of four tokens, in the order of map_codes, and the term of each channel.
void Attention::code_values(const Context& context, int64_t window, int64_t head, std::byte* scratch) const {
  const Scratch at(shape_, kernels_.lanes);
  const int64_t lanes = kernels_.lanes, row = 4 * shape_.head_groups, width = shape_.head_dim;
  auto *sums = Scratch::at<int32_t>(scratch, at.sums), *v = Scratch::at<int32_t>(scratch, at.v);
  auto* codes = Scratch::at<uint8_t>(scratch, at.codes);
  auto* value_terms = Scratch::at<float>(scratch, at.value_terms);
  kernels_.code_rows({context.in[2].data + v_at_.of(window, head), v_at_.token, codes, nullptr, ones_.data(), shape_.tokens, shape_.head_dim, static_cast<int>(row), v_});
  std::memset(codes + shape_.tokens * row, 0, static_cast<size_t>((padded_ - shape_.tokens) * row));
  std::fill_n(sums, width, 0);
  for (int64_t word = 0; word < padded_ / 4; ++word) {
    const uint8_t* from = codes + (word / lanes * 4 * lanes + word % lanes) * row;
    for (int64_t c = 0; c < width; ++c) {
      const uint8_t four[4] = {from[c], from[lanes * row + c], from[2 * lanes * row + c], from[3 * lanes * row + c]};
      uint32_t bits;
      std::memcpy(&bits, four, sizeof bits);
      sums[c] += four[0] + four[1] + four[2] + four[3];
      v[c * (padded_ / 4) + word] = static_cast<int32_t>(bits ^ static_cast<uint32_t>(attention_.value_shift));
    }
  }
  for (int64_t c = 0; c < width; ++c) value_terms[c] = static_cast<float>(sums[c]) * attention_.value_sum + attention_.constant;
}

// [tokens][groups] words to [groups][padded].
void Attention::spread(const uint8_t* codes, int32_t* to, int32_t shift) const {
  const int groups = shape_.head_groups;
  for (int t = 0; t < shape_.tokens; ++t) {
    for (int c = 0; c < groups; ++c) {
      int32_t word;
      std::memcpy(&word, codes + (t * groups + c) * 4, 4);
      to[c * padded_ + t] = word ^ shift;
    }
  }
}

void Attention::run_head(const Context& context, int64_t window, int64_t head, std::byte* scratch) const {
  const Scratch at(shape_, kernels_.lanes);
  auto* codes = Scratch::at<uint8_t>(scratch, at.codes);
  auto* q = Scratch::at<int32_t>(scratch, at.q);
  auto* region = Scratch::at<float>(scratch, at.region);
  kernels_.code_rows({context.in[0].data + q_at_.of(window, head), q_at_.token, codes, nullptr, ones_.data(), shape_.tokens, shape_.head_dim,
                      4 * shape_.head_groups, q_});
  spread(codes, q, 0);
  code_keys(context, window, head, scratch);
  code_values(context, window, head, scratch);
  AttentionArgs attention = attention_;
  attention.score *= factors_[static_cast<size_t>(head)];
  kernels_.attention_head({shape_, attention, q, Scratch::at<int32_t>(scratch, at.k), Scratch::at<int32_t>(scratch, at.v), bias_.data() + head * padded_ * shape_.tokens,
                           Scratch::at<float>(scratch, at.key_terms), Scratch::at<float>(scratch, at.value_terms),
                           has_mask_ && regions(context, window, region) ? region : nullptr, context.out.data + out_at_.of(window, head), out_at_.token,
                           Scratch::at<float>(scratch, at.scores), Scratch::at<int32_t>(scratch, at.map_words), Scratch::at<float>(scratch, at.context), wide_, narrow_});
}

// Windows of one head after the other, so that its bias stays in the cache.
void Attention::run(const Context& context) const {
  const int64_t windows = context.out.dims[0];
  context.pool.run(windows * shape_.heads, [&](int thread, int64_t begin, int64_t end) {
    std::memset(context.scratch(thread), 0, Scratch(shape_, kernels_.lanes).end);  // padding tokens and channels
    for (int64_t at = begin; at < end; ++at) run_head(context, at % windows, at / windows, context.scratch(thread));
  });
}

std::unique_ptr<Op> make_attention(const OpSpec& spec, const KernelTable& kernels) { return std::make_unique<Attention>(spec, kernels); }

}  // namespace intaglio
