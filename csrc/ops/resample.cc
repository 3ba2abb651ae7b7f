// Operations that change the size of maps: pixel_shuffle, pixel_unshuffle, resize. Threads take rows of the output.
#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

constexpr int64_t largest_factor = 16;

// Calls row(thread, in, out, c, y) for every row of every map of the output.
template <class Row>
void for_each_row(const Context& context, const Row& row) {
  for (int64_t index = 0; index < context.out.maps(); ++index) {
    const Map in = context.in[0].map(index), out = context.out.map(index);
    const Rows rows = context.wanted(out.shape.h);
    context.pool.run(rows.count(), [&](int thread, int64_t begin, int64_t end) {
      for (int64_t c = 0; c < out.shape.c; ++c) {
        for (int64_t y = rows.first + begin; y < rows.first + end; ++y) row(thread, in, out, c, y);
      }
    });
  }
}

// Channel c at (f y + i, f x + j) is input channel c f^2 + i f + j at (y, x).
class PixelShuffleOp final : public MapOp {
 public:
  explicit PixelShuffleOp(const OpSpec& spec) : factor_(spec.integer("factor", 1, largest_factor)) {}

  Dims shape(const Operands& operands) const override {
    Dims out = operands.in.at(0);
    const int rank = out.rank;
    if (rank < 3 || out[rank - 3] % (factor_ * factor_)) refuse_shapes("pixel_shuffle", "channels in multiples of its factor's square");
    out[rank - 3] /= factor_ * factor_, out[rank - 2] *= factor_, out[rank - 1] *= factor_;
    return out;
  }
  bool by_rows(const Operands&) const override { return true; }
  Rows reads(int, Rows rows, int64_t, int64_t) const override { return {rows.first / factor_, (rows.last - 1) / factor_ + 1}; }
  void run(const Context& context) const override {
    for_each_row(context, [&](int, const Map& in, const Map& out, int64_t c, int64_t y) {
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

class PixelUnshuffleOp final : public MapOp {
 public:
  explicit PixelUnshuffleOp(const OpSpec& spec) : factor_(spec.integer("factor", 1, largest_factor)) {}
  Dims shape(const Operands& operands) const override {
    Dims out = operands.in.at(0);
    const int rank = out.rank;
    if (rank < 3 || out[rank - 2] % factor_ || out[rank - 1] % factor_) refuse_shapes("pixel_unshuffle", "sides in multiples of its factor");
    out[rank - 3] *= factor_ * factor_, out[rank - 2] /= factor_, out[rank - 1] /= factor_;
    return out;
  }
  void run(const Context& context) const override {
    for_each_row(context, [&](int, const Map& in, const Map& out, int64_t c, int64_t y) {
      const int64_t i = c / factor_ % factor_, j = c % factor_;
      const float* from = in.row(c / (factor_ * factor_), y * factor_ + i) + j;
      float* to = out.row(c, y);
      for (int64_t x = 0; x < out.shape.w; ++x) to[x] = from[x * factor_];
    });
  }

 private:
  int64_t factor_;
};

// Up to four places of an axis and their weights.
struct Taps {
  int64_t place[4];
  float weight[4];
};

// One axis: n places become `out`, `step` of them from one to the next.
struct Axis {
  int64_t n, out;
  double step;
  double times, by;  // nearest: floor(at * times / by)

  double position(int64_t at) const { return (static_cast<double>(at) + 0.5) * step - 0.5; }
  int64_t nearest(int64_t at) const { return std::min(static_cast<int64_t>(std::floor(static_cast<double>(at) * times / by)), n - 1); }
  Taps two(int64_t at) const {
    const double p = out == n ? static_cast<double>(at) : std::max(position(at), 0.0);
    const int64_t first = std::min(static_cast<int64_t>(p), n - 1);
    const auto weight = static_cast<float>(p - static_cast<double>(first));
    return {{first, std::min(first + 1, n - 1), 0, 0}, {1.0f - weight, weight, 0.0f, 0.0f}};
  }
  Taps four(int64_t at) const {
    const double p = position(at), first = std::floor(p);
    Taps taps;
    for (int i = 0; i < 4; ++i) {
      taps.place[i] = std::clamp<int64_t>(static_cast<int64_t>(first) + i - 1, 0, n - 1);
      taps.weight[i] = static_cast<float>(cubic(std::fabs(p - first - (i - 1))));
    }
    return taps;
  }
  // Cubic convolution at a distance of 0 to 2, a = -3/4.
  static double cubic(double d) {
    constexpr double a = -0.75;
    return d <= 1.0 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  }
};

// The taps of all columns are the same for every row: shared.
class ResizeOp final : public MapOp {
 public:
  explicit ResizeOp(const OpSpec& spec) : like_(spec.text("to") == "like"), factor_(spec.reals("factor")) {
    const std::string& mode = spec.text("mode");
    mode_ = mode == "nearest" ? Mode::nearest : mode == "bilinear" ? Mode::bilinear : Mode::bicubic;
    if (factor_.size() != 2 || spec.inputs.size() != (like_ ? 2u : 1u)) spec.refuse("has a number of inputs that does not fit");
    if (!(factor_[0] > 0.0) || !(factor_[1] > 0.0)) spec.refuse("factor is not positive");
  }

  Dims shape(const Operands& operands) const override {
    const Dims &in = operands.in.front(), &last = operands.in.back();
    if (in.rank != 4 || last.rank != 4) refuse_shapes("resize", "maps");
    if (like_) return {in[0], in[1], last[2], last[3]};
    const Dims out{in[0], in[1], scaled(in[2], 0), scaled(in[3], 1)};
    if (out[2] < 1 || out[3] < 1) refuse_shapes("resize", "sides that do not become nothing");
    return out;
  }
  bool by_rows(const Operands&) const override { return true; }
  Rows reads(int input, Rows rows, int64_t in, int64_t out) const override {
    if (input == 1) return {0, 0};  // its size alone
    const Axis down = axis(in, out, 0);
    if (mode_ == Mode::nearest) return {down.nearest(rows.first), down.nearest(rows.last - 1) + 1};
    if (mode_ == Mode::bilinear) return {down.two(rows.first).place[0], down.two(rows.last - 1).place[1] + 1};
    return {down.four(rows.first).place[0], down.four(rows.last - 1).place[3] + 1};
  }
  Workspace workspace(const Operands& operands) const override {
    return {static_cast<size_t>(operands.in[0][3]) * sizeof(float), static_cast<size_t>(shape(operands)[3]) * sizeof(Taps)};
  }
  void run(const Context& context) const override {
    const Dims &in = context.in[0].dims, &out = context.out.dims;
    const Axis rows = axis(in[2], out[2], 0), columns = axis(in[3], out[3], 1);
    Taps* across = reinterpret_cast<Taps*>(context.shared());
    for (int64_t x = 0; x < out[3]; ++x) {
      across[x] = mode_ == Mode::bilinear ? columns.two(x) : mode_ == Mode::bicubic ? columns.four(x) : Taps{{columns.nearest(x), 0, 0, 0}, {}};
    }
    for_each_row(context, [&](int thread, const Map& from, const Map& to, int64_t c, int64_t y) {
      float* scratch = reinterpret_cast<float*>(context.scratch(thread));
      if (mode_ == Mode::nearest) return nearest(from.row(c, rows.nearest(y)), from.shape.w, across, to.row(c, y), to.shape.w);
      if (mode_ == Mode::bilinear) return bilinear(from, c, rows.two(y), across, scratch, to.row(c, y), to.shape.w);
      bicubic(from, c, rows.four(y), across, to.row(c, y), to.shape.w);
    });
  }

 private:
  enum class Mode { nearest, bilinear, bicubic };

  int64_t scaled(int64_t side, size_t axis) const { return static_cast<int64_t>(std::floor(static_cast<double>(side) * factor_[axis])); }
  Axis axis(int64_t n, int64_t length, size_t index) const {
    const double factor = factor_[index];
    if (!like_) return {n, length, 1.0 / factor, 1.0, factor};
    const auto size = static_cast<double>(n), other = static_cast<double>(length);
    return {n, length, size / other, size, other};
  }

  static void nearest(const float* from, int64_t n, const Taps* across, float* to, int64_t out) {
    if (out % n == 0 && across[out - 1].place[0] == n - 1 && across[out / n - 1].place[0] == 0) {  // a whole factor
      const int64_t factor = out / n;
      bool whole = true;
      for (int64_t x = 0; x < n && whole; ++x) whole = across[x * factor].place[0] == x && across[x * factor + factor - 1].place[0] == x;
      if (whole) {
        for (int64_t x = 0; x < n; ++x, to += factor) std::fill_n(to, factor, from[x]);
        return;
      }
    }
    for (int64_t x = 0; x < out; ++x) to[x] = from[across[x].place[0]];
  }
  static void bilinear(const Map& from, int64_t c, const Taps& down, const Taps* across, float* blend, float* to, int64_t out) {
    const float *top = from.row(c, down.place[0]), *bottom = from.row(c, down.place[1]);
    for (int64_t x = 0; x < from.shape.w; ++x) blend[x] = top[x] * down.weight[0] + bottom[x] * down.weight[1];
    for (int64_t x = 0; x < out; ++x) to[x] = blend[across[x].place[0]] * across[x].weight[0] + blend[across[x].place[1]] * across[x].weight[1];
  }
  static void bicubic(const Map& from, int64_t c, const Taps& down, const Taps* across, float* to, int64_t out) {
    const float* rows[4];
    for (int i = 0; i < 4; ++i) rows[i] = from.row(c, down.place[i]);
    for (int64_t x = 0; x < out; ++x) {
      const Taps& taps = across[x];
      float sum = 0.0f;
      for (int i = 0; i < 4; ++i) {
        float mixed = 0.0f;
        for (int j = 0; j < 4; ++j) mixed += taps.weight[j] * rows[i][taps.place[j]];
        sum += down.weight[i] * mixed;
      }
      to[x] = sum;
    }
  }

  bool like_;
  std::vector<double> factor_;
  Mode mode_;
};

}  // namespace

std::unique_ptr<Op> make_pixel_shuffle(const OpSpec& spec, const KernelTable&) { return std::make_unique<PixelShuffleOp>(spec); }
std::unique_ptr<Op> make_pixel_unshuffle(const OpSpec& spec, const KernelTable&) { return std::make_unique<PixelUnshuffleOp>(spec); }
std::unique_ptr<Op> make_resize(const OpSpec& spec, const KernelTable&) { return std::make_unique<ResizeOp>(spec); }

}  // namespace intaglio
