#include "ops/window_block.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "kernels/block_scratch.h"
#include "ops/factories.h"

namespace intaglio {
namespace {

constexpr double log2_e = 1.4426950408889634;

int integer(const OpSpec& spec, const char* role, int64_t low, int64_t high) { return static_cast<int>(spec.integer(role, low, high)); }

BlockShape read_shape(const OpSpec& spec, int lanes) {
  BlockShape shape{};
  shape.dim = integer(spec, "dim", 1, 4096);
  shape.heads = integer(spec, "heads", 1, shape.dim);
  shape.window = integer(spec, "window", 1, 16);
  shape.shift = integer(spec, "shift", 0, shape.window - 1);
  shape.hidden = integer(spec, "hidden", 1, 16384);
  shape.eps = spec.number("eps");
  if (!(shape.eps > 0.0f)) spec.refuse("eps is not positive");
  if (shape.dim % shape.heads) spec.refuse("heads do not divide dim");
  shape.head_dim = shape.dim / shape.heads;
  shape.head_groups = (shape.head_dim + 3) / 4;
  shape.tokens = shape.window * shape.window, shape.key_rows = shape.window;
  shape.token_groups = (shape.tokens + 4 * lanes - 1) / (4 * lanes) * 4;
  shape.dim_groups = (shape.dim + 3) / 4;
  return shape;
}

}  // namespace

WindowBlock::WindowBlock(const OpSpec& spec, const KernelTable& kernels) : kernels_(kernels), shape_(read_shape(spec, kernels.lanes)) {
  const auto& rows = spec.tensor("norm", {4, shape_.dim});
  q_norm_ = pack_norm(spec, rows, 0, "q.input");
  k_norm_ = pack_norm(spec, rows, 0, "k.input");
  v_norm_ = pack_norm(spec, rows, 0, "v.input");
  fc1_norm_ = pack_norm(spec, rows, 2, "fc1.input");
  pack_linears(spec);
  pack_attention(spec);
  pack_bias(spec);
  args_.pieced = std::any_of(spec.sites.begin(), spec.sites.end(), [](const auto& site) { return !site.second.front().pieces.empty(); });
  args_.shape = shape_;
  args_.q_norm = q_norm_.args(), args_.k_norm = k_norm_.args(), args_.v_norm = v_norm_.args(), args_.fc1_norm = fc1_norm_.args();
  args_.shared_input = spec.grid("q.input") == spec.grid("k.input") && spec.grid("q.input") == spec.grid("v.input");
  args_.q = q_.args(), args_.k = k_.args(), args_.v = v_.args(), args_.proj = proj_.args(), args_.fc1 = fc1_.args(), args_.fc2 = fc2_.args();
}

WindowBlock::Norm WindowBlock::pack_norm(const OpSpec& spec, const std::vector<float>& rows, int row, const std::string& role) const {
  const Grid grid = spec.grid(role);
  const Affine code = to_grid(grid);
  Norm norm;
  norm.range = code_range(grid);
  double reach = 0.0;
  for (int c = 0; c < shape_.dim_groups * 4; ++c) {
    const bool real = c < shape_.dim;
    const double weight = real ? rows[static_cast<size_t>(row * shape_.dim + c)] : 0.0;
    const double bias = real ? rows[static_cast<size_t>((row + 1) * shape_.dim + c)] : 0.0;
    norm.scale.push_back(static_cast<float>(weight * code.scale));
    norm.offset.push_back(real ? static_cast<float>(bias * code.scale + code.offset) : code.padding);
    // no normalised value of dim channels exceeds sqrt(dim)
    reach = std::fmax(reach, std::sqrt(static_cast<double>(shape_.dim)) * std::fabs(weight) + std::fabs(bias));
  }
  check_reach(spec, role, grid, reach);
  return norm;
}

void WindowBlock::pack_linears(const OpSpec& spec) {
  const int64_t dim = shape_.dim, hidden = shape_.hidden;
  const std::span<const float> bias(spec.tensor("bias", {5 * dim + hidden}));
  auto part = [&](int64_t start, int64_t count) { return bias.subspan(static_cast<size_t>(start), static_cast<size_t>(count)); };
  const Order plain = plain_order(dim), wide = plain_order(hidden), heads = head_order(shape_.heads, shape_.head_dim);
  const Grid q = spec.grid("scores.a"), k = spec.grid("scores.b"), v = spec.grid("context.b"), h = spec.grid("fc2.input");
  const double root = spec.number("scale");
  q_ = pack_linear(spec, "q", dim, dim, part(0, dim), heads, plain, to_grid(q, root));
  k_ = pack_linear(spec, "k", dim, dim, part(dim, dim), heads, plain, to_grid(k));
  v_ = pack_linear(spec, "v", dim, dim, part(2 * dim, dim), plain, plain, to_grid(v));
  proj_ = pack_linear(spec, "proj", dim, dim, part(3 * dim, dim), plain, heads, Affine{});
  fc1_ = pack_linear(spec, "fc1", hidden, dim, part(4 * dim, hidden), wide, plain, Affine{});
  fc2_ = pack_linear(spec, "fc2", dim, hidden, part(4 * dim + hidden, dim), plain, wide, Affine{});
  if (kernels_.tiles) {
    for (PackedLinear* layer : {&q_, &k_, &v_, &proj_, &fc1_, &fc2_}) add_tiles(*layer);
  }
  check_reach(spec, "scores.a", q, q_.reach * std::fabs(root));
  check_reach(spec, "scores.b", k, k_.reach);
  check_reach(spec, "context.b", v, v_.reach);
  check_reach(spec, "fc2.input", h, fc1_.reach);
  args_.q_range = code_range(q), args_.k_range = code_range(k), args_.v_range = code_range(v);
  const Affine code = to_grid(h);
  args_.hidden = {static_cast<float>(code.scale), static_cast<float>(code.offset), code_range(h)};
  args_.wide = q_.wide || k_.wide || v_.wide || proj_.wide || fc1_.wide || fc2_.wide;
  args_.narrow = q_.narrow && k_.narrow && v_.narrow && proj_.narrow && fc1_.narrow && fc2_.narrow;
}

void WindowBlock::pack_attention(const OpSpec& spec) {
  const Grid q = spec.grid("scores.a"), k = spec.grid("scores.b"), map = spec.grid("context.a"), v = spec.grid("context.b");
  const Grid out = spec.grid("proj.input");
  AttentionArgs& args = args_.attention;
  // Shifting the codes of k changes S only by a term that is the same for all keys, so that no constant needs correction.
  args.key_shift = k.bits == 8 ? every_byte(128) : 0;
  args.score = static_cast<float>(static_cast<double>(q.step) * k.step * log2_e);
  args.key_sum = static_cast<float>(static_cast<double>(k.step) * q.lower * log2_e);
  const int shift = v.bits == 8 ? 128 : 0;
  args.value_shift = every_byte(shift);
  const Affine to_map = to_grid(map), code = to_grid(out);
  args.map = {static_cast<float>(to_map.scale), static_cast<float>(to_map.offset), code_range(map)};
  const double v_lower = static_cast<double>(v.lower) + static_cast<double>(v.step) * shift;
  args.product = static_cast<float>(static_cast<double>(map.step) * v.step * code.scale);
  args.map_sum = static_cast<float>(static_cast<double>(map.step) * v_lower * code.scale);
  args.value_sum = static_cast<float>(static_cast<double>(v.step) * map.lower * code.scale);
  args.constant = static_cast<float>(static_cast<double>(shape_.tokens) * map.lower * v.lower * code.scale + code.offset);
  args.context = code_range(out);
  const int k_most = k.bits == 8 ? 128 : k.top(), v_most = shift ? 128 : v.top(), key_words = shape_.token_groups * kernels_.lanes / 4;
  args_.narrow = args_.narrow && is_narrow(shape_.head_groups, q.top(), k_most) && is_narrow(key_words, map.top(), v_most) &&
                 is_narrow(key_words, std::max(k.top(), v.top()), 1);
  args_.wide = args_.wide || needs_wide(q.top(), k_most) || needs_wide(map.top(), v_most);
  check_reach(spec, "context.a", map, 1.0);
  check_reach(spec, "proj.input", out, static_cast<double>(shape_.tokens) * magnitude(map) * magnitude(v));
}

// The bias depends on the differences of rows and columns only. Where a vector of queries is made of whole rows of the window, one vector for each difference
// of rows (between the first of them and the key's) and column of the key serves all of them, which keeps a head's bias in the first-level cache.
void WindowBlock::pack_bias(const OpSpec& spec) {
  const int64_t w = shape_.window, side = 2 * w - 1, lanes = kernels_.lanes;
  const auto& table = spec.tensor("table", {side * side, shape_.heads});
  const bool whole_rows = lanes % w == 0;
  const int64_t rows = lanes / w;
  AttentionArgs& args = args_.attention;
  args.bias_row = whole_rows ? -w * lanes : w * lanes;
  args.bias_group = whole_rows ? rows * w * lanes : static_cast<int64_t>(shape_.tokens) * lanes;
  const int64_t first = whole_rows ? (w - 1) * w * lanes : 0;  // of the key in the first row
  args.bias_head = first + shape_.token_groups * args.bias_group + (whole_rows ? 0 : w * w * lanes);
  bias_.assign(static_cast<size_t>(shape_.heads * args.bias_head), 0.0f);
  for (int64_t h = 0; h < shape_.heads; ++h) {
    for (int64_t query = 0; query < shape_.tokens; ++query) {
      float* at = bias_.data() + h * args.bias_head + first + query / lanes * args.bias_group + query % lanes;
      for (int64_t ky = 0; ky < w; ++ky) {
        for (int64_t kx = 0; kx < w; ++kx) {
          const int64_t index = (query / w - ky + w - 1) * side + query % w - kx + w - 1;
          at[ky * args.bias_row + kx * lanes] = static_cast<float>(table[static_cast<size_t>(index * shape_.heads + h)] * log2_e);
        }
      }
    }
  }
  args.bias = bias_.data() + first;
}

Dims WindowBlock::shape(const Operands& operands) const {
  const Dims& in = operands.in.at(0);
  if (!in.is_map() || in[1] != shape_.dim || in[2] % shape_.window || in[3] % shape_.window) refuse_shapes("window_block", "a map of whole windows");
  return in;
}

Workspace WindowBlock::workspace(const Operands&) const { return {block_scratch(shape_, kernels_.lanes).bytes, 0}; }

int64_t WindowBlock::windows(const Map& map) const { return (map.shape.h / shape_.window) * (map.shape.w / shape_.window); }

WindowBlockArgs WindowBlock::arguments(const Map& map, int64_t first, int64_t last, std::byte* scratch, PhaseTicks* ticks) const {
  WindowBlockArgs args = args_;
  args.map = map.data, args.plane = map.plane, args.height = map.shape.h, args.width = map.shape.w;
  args.first = first, args.last = last, args.scratch = scratch, args.ticks = ticks;
  return args;
}

void WindowBlock::run_windows(const Map& map, int64_t first, int64_t last, std::byte* scratch, PhaseTicks* ticks) const {
  kernels_.window_block(arguments(map, first, last, scratch, ticks));
}

void WindowBlock::run(const Context& context) const {
  const Map in = context.in[0].map(), out = context.out.map();
  if (in.data != out.data) {
    const int64_t pixels = in.shape.h * in.shape.w;
    context.pool.run(in.shape.c, [&](int, int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) std::copy_n(in.channel(c), pixels, out.channel(c));
    });
  }
  context.pool.run(windows(out), [&](int thread, int64_t begin, int64_t end) { run_windows(out, begin, end, context.scratch(thread), nullptr); });
}

std::unique_ptr<Op> make_window_block(const OpSpec& spec, const KernelTable& kernels) { return std::make_unique<WindowBlock>(spec, kernels); }

}  // namespace intaglio
