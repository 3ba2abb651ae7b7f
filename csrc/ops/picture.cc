// The two ends of a program: bytes to a normalised planar map, and back.
#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

class PictureOp final : public Op {
 public:
  explicit PictureOp(const OpSpec& spec)
      : range_(spec.number("range")), mean_(spec.numbers("mean", 3)), multiple_(spec.integer("multiple", 1, 4096)) {}

  Shape shape(const Operands& operands) const override {
    return {3, round_up(operands.picture_h), round_up(operands.picture_w)};
  }

  void run(const Context& context) const override {
    const Picture& picture = context.picture;
    const Shape shape = context.out.shape;
    float level[3][256];
    for (int c = 0; c < 3; ++c) {
      for (int byte = 0; byte < 256; ++byte) level[c][byte] = (static_cast<float>(byte) / 255.0f - mean_[static_cast<size_t>(c)]) * range_;
    }
    context.pool.run(shape.h, [&](int, int64_t begin, int64_t end) {
      for (int64_t y = begin; y < end; ++y) {
        const uint8_t* source = picture.data + mirror(y, picture.h) * picture.w * 3;
        for (int c = 0; c < 3; ++c) {
          float* row = context.out.row(c, y);
          for (int64_t x = 0; x < picture.w; ++x) row[x] = level[c][source[3 * x + c]];
          for (int64_t x = picture.w; x < shape.w; ++x) row[x] = level[c][source[3 * mirror(x, picture.w) + c]];
        }
      }
    });
  }

 private:
  int64_t round_up(int64_t extent) const { return (extent + multiple_ - 1) / multiple_ * multiple_; }
  // Mirrored beyond the edge, the edge pixel repeated, periodic with 2 * extent.
  static int64_t mirror(int64_t at, int64_t extent) {
    const int64_t phase = at % (2 * extent);
    return phase < extent ? phase : 2 * extent - 1 - phase;
  }

  float range_;
  std::vector<float> mean_;
  int64_t multiple_;
};

class OutputOp final : public Op {
 public:
  explicit OutputOp(const OpSpec& spec) : range_(spec.number("range")), mean_(spec.numbers("mean", 3)) {
    if (!(range_ > 0.0f)) spec.refuse("range is not positive");
  }

  Shape shape(const Operands& operands) const override {
    const Shape& in = operands.in.at(0);
    if (in.c != 3 || in.h < operands.picture_h * operands.scale || in.w < operands.picture_w * operands.scale) {
      throw Error("the network's last map does not cover the picture at its scale; the program is damaged, pack the model again");
    }
    return {};
  }

  void run(const Context& context) const override {
    const Map& in = context.in[0];
    const MutablePicture& result = context.result;
    context.pool.run(result.h, [&](int, int64_t begin, int64_t end) {
      for (int64_t y = begin; y < end; ++y) {
        uint8_t* row = result.data + y * result.w * 3;
        for (int c = 0; c < 3; ++c) {
          const float* source = in.row(c, y);
          const float mean = mean_[static_cast<size_t>(c)];
          for (int64_t x = 0; x < result.w; ++x) {
            const float unit = source[x] / range_ + mean;
            const float value = unit > 0.0f ? (unit < 1.0f ? unit : 1.0f) * 255.0f : 0.0f;  // NaN becomes black
            row[3 * x + c] = static_cast<uint8_t>((value + 12582912.0f) - 12582912.0f);
          }
        }
      }
    });
  }

 private:
  float range_;
  std::vector<float> mean_;
};

}  // namespace

std::unique_ptr<Op> make_picture(const OpSpec& spec, const KernelTable&) { return std::make_unique<PictureOp>(spec); }
std::unique_ptr<Op> make_output(const OpSpec& spec, const KernelTable&) { return std::make_unique<OutputOp>(spec); }

}  // namespace intaglio
