// Operations that change the size of a map: pixel_shuffle, nearest, bilinear, bilinear_scale. Threads take rows of the output.
#include <algorithm>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

constexpr int64_t largest_factor = 16;

// Calls row(thread, c, y) for every row of the output.
template <class Row>
void for_each_row(const Context& context, const Row& row) {
  context.pool.run(context.out.shape.h, [&](int thread, int64_t begin, int64_t end) {
    for (int64_t c = 0; c < context.out.shape.c; ++c) {
      for (int64_t y = begin; y < end; ++y) row(thread, c, y);
    }
  });
}

// Channel c at (f y + i, f x + j) is input channel c f^2 + i f + j at (y, x).
class PixelShuffleOp final : public Op {
 public:
  explicit PixelShuffleOp(const OpSpec& spec) : factor_(spec.integer("factor", 1, largest_factor)) {}

  Shape shape(const Operands& operands) const override {
    const Shape& in = operands.in.at(0);
    if (in.c % (factor_ * factor_) != 0) throw Error("'pixel_shuffle' reads a map whose channels do not divide; the program is damaged, pack the model again");
    return {in.c / (factor_ * factor_), in.h * factor_, in.w * factor_};
  }
  void run(const Context& context) const override {
    const Map &in = context.in[0], &out = context.out;
    for_each_row(context, [&](int, int64_t c, int64_t y) {
      const float* sources[largest_factor];
      for (int64_t j = 0; j < factor_; ++j) sources[j] = in.row((c * factor_ + y % factor_) * factor_ + j, y / factor_);
      float* to = out.row(c, y);
      switch (factor_) {
        case 2: return interleave<2>(sources, to, in.shape.w);
        case 3: return interleave<3>(sources, to, in.shape.w);
        case 4: return interleave<4>(sources, to, in.shape.w);
        default:
          for (int64_t x = 0; x < in.shape.w; ++x) {
            for (int64_t j = 0; j < factor_; ++j) *to++ = sources[j][x];
          }
      }
    });
  }

 private:
  template <int Factor>
  static void interleave(const float* const* sources, float* to, int64_t w) {
    for (int64_t x = 0; x < w; ++x) {
      for (int j = 0; j < Factor; ++j) to[x * Factor + j] = sources[j][x];
    }
  }

  int64_t factor_;
};

class NearestOp final : public Op {
 public:
  explicit NearestOp(const OpSpec& spec) : factor_(spec.integer("factor", 1, largest_factor)) {}

  Shape shape(const Operands& operands) const override {
    const Shape& in = operands.in.at(0);
    return {in.c, in.h * factor_, in.w * factor_};
  }
  void run(const Context& context) const override {
    const Map &in = context.in[0], &out = context.out;
    for_each_row(context, [&](int, int64_t c, int64_t y) {
      const float* from = in.row(c, y / factor_);
      float* to = out.row(c, y);
      for (int64_t x = 0; x < in.shape.w; ++x, to += factor_) std::fill_n(to, factor_, from[x]);
    });
  }

 private:
  int64_t factor_;
};

// Two neighbours along an axis, and the weight of the second.
struct Tap {
  int64_t first, second;
  float weight;
  float of(const float* values) const { return values[first] * (1.0f - weight) + values[second] * weight; }
};

// Between pixel centres, edges repeated (align_corners = false).
Tap tap_at(int64_t at, int64_t in, int64_t out) {
  const double ratio = static_cast<double>(in) / static_cast<double>(out);
  const double position = std::max((static_cast<double>(at) + 0.5) * ratio - 0.5, 0.0);
  const int64_t first = std::min(static_cast<int64_t>(position), in - 1);
  return {first, std::min(first + 1, in - 1), static_cast<float>(position - static_cast<double>(first))};
}

// Blends two rows into scratch, then pixels of the blend. The taps of all columns are the same for every row: shared.
class BilinearOp final : public Op {
 public:
  // factor 0: to the size of the second input.
  explicit BilinearOp(int64_t factor) : factor_(factor) {}

  Shape shape(const Operands& operands) const override {
    const Shape& in = operands.in.at(0);
    if (factor_ > 0) return {in.c, in.h * factor_, in.w * factor_};
    return {in.c, operands.in.at(1).h, operands.in.at(1).w};
  }
  Workspace workspace(const Operands& operands) const override {
    return {static_cast<size_t>(operands.in.at(0).w) * sizeof(float), static_cast<size_t>(shape(operands).w) * sizeof(Tap)};
  }
  void run(const Context& context) const override {
    const Map &in = context.in[0], &out = context.out;
    Tap* columns = reinterpret_cast<Tap*>(context.shared());
    for (int64_t x = 0; x < out.shape.w; ++x) columns[x] = tap_at(x, in.shape.w, out.shape.w);
    for_each_row(context, [&](int thread, int64_t c, int64_t y) {
      const Tap down = tap_at(y, in.shape.h, out.shape.h);
      const float *top = in.row(c, down.first), *bottom = in.row(c, down.second);
      float *blend = reinterpret_cast<float*>(context.scratch(thread)), *to = out.row(c, y);
      for (int64_t x = 0; x < in.shape.w; ++x) blend[x] = top[x] * (1.0f - down.weight) + bottom[x] * down.weight;
      for (int64_t x = 0; x < out.shape.w; ++x) to[x] = columns[x].of(blend);
    });
  }

 private:
  int64_t factor_;
};

}  // namespace

std::unique_ptr<Op> make_pixel_shuffle(const OpSpec& spec, const KernelTable&) { return std::make_unique<PixelShuffleOp>(spec); }
std::unique_ptr<Op> make_nearest(const OpSpec& spec, const KernelTable&) { return std::make_unique<NearestOp>(spec); }
std::unique_ptr<Op> make_bilinear(const OpSpec&, const KernelTable&) { return std::make_unique<BilinearOp>(0); }
std::unique_ptr<Op> make_bilinear_scale(const OpSpec& spec, const KernelTable&) {
  return std::make_unique<BilinearOp>(spec.integer("factor", 1, largest_factor));
}

}  // namespace intaglio
