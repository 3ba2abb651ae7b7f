// The two ends of a program: planes in [0, 1] or bytes to a map, and back.
#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

constexpr int64_t most_planes = 16;

class InputOp final : public MapOp {
 public:
  explicit InputOp(const OpSpec& spec)
      : channels_(spec.integer("channels", 1, most_planes)), range_(spec.number("range")), mean_(spec.numbers("mean", static_cast<size_t>(channels_))),
        multiple_(spec.integer("multiple", 1, 4096)) {
    const std::string& pad = spec.text("pad");
    border_ = pad == "mirror" ? Border::mirror : pad == "reflect" ? Border::reflect : pad == "edge" ? Border::edge : Border::zero;
    for (size_t c = 0; c < mean_.size(); ++c) {
      for (int byte = 0; byte < 256; ++byte) levels_.push_back(level(static_cast<float>(byte) / 255.0f, c));
    }
  }

  Dims shape(const Operands& operands) const override { return {1, channels_, round_up(operands.picture_h), round_up(operands.picture_w)}; }

  bool by_rows(const Operands&) const override { return true; }

  void run(const Context& context) const override {
    const Map out = context.out.map();
    const Rows rows = context.wanted(out.shape.h);
    context.pool.run(rows.count(), [&](int, int64_t begin, int64_t end) {
      for (int64_t y = rows.first + begin; y < rows.first + end; ++y) {
        const int64_t from = beyond(y, context.picture.h);
        for (int64_t c = 0; c < channels_; ++c) {
          if (from < 0) {
            std::fill_n(out.row(c, y), out.shape.w, 0.0f);
          } else if (context.picture.bytes) {
            row_of_bytes(context.picture, c, from, out.row(c, y), out.shape.w);
          } else {
            row_of_planes(context.picture, c, from, out.row(c, y), out.shape.w);
          }
        }
      }
    });
  }

 private:
  enum class Border { mirror, reflect, edge, zero };

  float level(float unit, size_t c) const { return (unit - mean_[c]) * range_; }
  int64_t round_up(int64_t extent) const { return (extent + multiple_ - 1) / multiple_ * multiple_; }
  // The place of a row of n that continues it at `at`, or -1 for zero. Mirrors are periodic.
  int64_t beyond(int64_t at, int64_t n) const {
    if (at < n) return at;
    if (border_ == Border::zero) return -1;
    if (border_ == Border::edge || n == 1) return n - 1;
    const int64_t period = border_ == Border::mirror ? 2 * n : 2 * (n - 1), phase = at % period;
    return phase < n ? phase : period - phase - (border_ == Border::mirror ? 1 : 0);
  }
  template <class Value>
  void continue_row(int64_t n, float* row, int64_t w, Value value) const {
    for (int64_t x = n; x < w; ++x) {
      const int64_t from = beyond(x, n);
      row[x] = from < 0 ? 0.0f : value(from);
    }
  }
  void row_of_bytes(const Picture& picture, int64_t c, int64_t y, float* row, int64_t w) const {
    const uint8_t* source = picture.bytes + y * picture.w * channels_ + c;
    const float* levels = levels_.data() + c * 256;
    if (channels_ == 3) {
      for (int64_t x = 0; x < picture.w; ++x) row[x] = levels[source[3 * x]];
    } else {
      for (int64_t x = 0; x < picture.w; ++x) row[x] = levels[source[channels_ * x]];
    }
    continue_row(picture.w, row, w, [&](int64_t x) { return levels[source[channels_ * x]]; });
  }
  void row_of_planes(const Picture& picture, int64_t c, int64_t y, float* row, int64_t w) const {
    const float* source = picture.planes + (c * picture.h + y) * picture.w;
    for (int64_t x = 0; x < picture.w; ++x) row[x] = level(source[x], static_cast<size_t>(c));
    continue_row(picture.w, row, w, [&](int64_t x) { return row[x]; });
  }

  int64_t channels_;
  float range_;
  std::vector<float> mean_;
  int64_t multiple_;
  Border border_;
  std::vector<float> levels_;  // [channel][byte]
};

class OutputOp final : public MapOp {
 public:
  explicit OutputOp(const OpSpec& spec) : range_(spec.number("range")), mean_(spec.numbers("mean")) {
    if (!(range_ > 0.0f)) spec.refuse("range is not positive");
    if (mean_.empty() || mean_.size() > static_cast<size_t>(most_planes)) spec.refuse("mean is not one number for each channel");
  }

  Dims shape(const Operands& operands) const override {
    const Dims& in = operands.in.at(0);
    const bool fits = in.is_map() && in[1] == static_cast<int64_t>(mean_.size());
    if (!fits || in[2] < operands.picture_h * operands.scale || in[3] < operands.picture_w * operands.scale) {
      throw Error("the network's last map does not cover the picture at its scale; the program is damaged, pack the model again");
    }
    return in;
  }

  bool by_rows(const Operands&) const override { return true; }

  void run(const Context& context) const override {
    const Map in = context.in[0].map();
    const MutablePicture& result = context.result;
    const auto channels = static_cast<int64_t>(mean_.size());
    const Rows rows = context.wanted(result.h);
    const int64_t first = std::min(rows.first, result.h);
    context.pool.run(std::min(rows.last, result.h) - first, [&](int, int64_t begin, int64_t end) {
      for (int64_t y = first + begin; y < first + end; ++y) {
        for (int64_t c = 0; c < channels; ++c) {
          const float* source = in.row(c, y);
          const float mean = mean_[static_cast<size_t>(c)];
          if (result.planes) {
            float* row = result.planes + (c * result.h + y) * result.w;
            for (int64_t x = 0; x < result.w; ++x) row[x] = source[x] / range_ + mean;
          } else if (channels == 3) {
            bytes(source, mean, result.bytes + y * result.w * 3 + c, std::integral_constant<int64_t, 3>{}, result.w);
          } else {
            bytes(source, mean, result.bytes + y * result.w * channels + c, channels, result.w);
          }
        }
      }
    });
  }

 private:
  template <class Step>
  void bytes(const float* source, float mean, uint8_t* row, Step step, int64_t w) const {
    for (int64_t x = 0; x < w; ++x) {
      const float unit = source[x] / range_ + mean;
      const float value = unit > 0.0f ? (unit < 1.0f ? unit : 1.0f) * 255.0f : 0.0f;  // NaN becomes black
      row[step * x] = static_cast<uint8_t>((value + 12582912.0f) - 12582912.0f);
    }
  }

  float range_;
  std::vector<float> mean_;
};

}  // namespace

std::unique_ptr<Op> make_input(const OpSpec& spec, const KernelTable&) { return std::make_unique<InputOp>(spec); }
std::unique_ptr<Op> make_output(const OpSpec& spec, const KernelTable&) { return std::make_unique<OutputOp>(spec); }

}  // namespace intaglio
