#include "ops/pack_linear.h"

#include <algorithm>
#include <cmath>

namespace intaglio {
namespace {

// Far below any grid: becomes code 0.
constexpr float below_all = -1e30f;

}  // namespace

Order plain_order(int64_t count) { return head_order(1, count); }

Order head_order(int64_t heads, int64_t channels) {
  Order order;
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t c = 0; c < (channels + 3) / 4 * 4; ++c) order.push_back(c < channels ? h * channels + c : -1);
  }
  return order;
}

Affine to_grid(const Grid& grid, double factor) {
  const double inverse = grid.inverse();
  return {factor * inverse, -static_cast<double>(grid.lower) * inverse, below_all};
}

CodePieces code_pieces(const Grid& grid) {
  CodePieces pieces;
  int first = 0;
  for (const Piece& piece : grid.pieces) {
    const auto stride = static_cast<float>(piece.stride);
    pieces.first[pieces.count] = static_cast<float>(first);
    pieces.stride[pieces.count] = stride;
    pieces.inverse[pieces.count] = 1.0f / stride;
    pieces.steps[pieces.count++] = static_cast<float>(piece.steps);
    first += piece.stride * piece.steps;
  }
  return pieces;
}

CodeRange code_range(const Grid& grid) {
  Grid pieced = grid;
  if (grid.pieces.empty()) pieced.pieces.push_back({1, grid.top()});  // beside a site that has some
  return {every_byte(grid.top()), code_pieces(pieced)};
}

CodeGrid code_grid(const Grid& grid) { return {grid.lower, grid.inverse(), static_cast<float>(grid.top()), code_pieces(grid)}; }

int32_t every_byte(int code) { return static_cast<int32_t>(0x01010101u * static_cast<uint32_t>(code)); }

double magnitude(const Grid& grid) {
  const double lower = grid.lower, upper = lower + static_cast<double>(grid.step) * grid.top();
  return std::max(std::fabs(lower), std::fabs(upper));
}

void check_reach(const OpSpec& spec, const std::string& role, const Grid& grid, double reach) {
  const double largest = (reach + std::fabs(static_cast<double>(grid.lower))) * grid.inverse();
  if (!(largest < 1073741824.0)) spec.refuse("the grid of '" + role + "' is too fine for the values that reach it");
}

void add_tiles(PackedLinear& packed) {
  const size_t outputs = static_cast<size_t>(packed.outputs), groups = static_cast<size_t>(packed.groups), chunks = (groups + 15) / 16;
  packed.tiles.assign((outputs + 15) / 16 * chunks * 1024, 0);
  const auto* bytes = reinterpret_cast<const int8_t*>(packed.words.data());
  for (size_t n = 0; n < outputs; ++n) {
    for (size_t k = 0; k < groups * 4; ++k) {
      packed.tiles[((n / 16 * chunks + k / 64) * 16 + n % 16) * 64 + k % 64] = bytes[((n / 4 * groups + k / 4) * 4 + n % 4) * 4 + k % 4];
    }
  }
}

PackedLinear pack_linear(const OpSpec& spec, const std::string& part, int64_t outputs, int64_t inputs, std::span<const float> bias,
                         const Order& output_order, const Order& input_order, const Affine& epilogue) {
  const auto& codes = spec.code_tensor(part + ".codes", part + ".weight", {outputs, inputs});
  const Grid x = spec.grid(part + ".input");
  const auto grids = spec.channel_grids(part + ".weight", outputs);
  const int bits = grids.front().bits, shift = signed_shift(bits);
  PackedLinear packed;
  packed.groups = static_cast<int>(input_order.size() / 4);
  packed.outputs = static_cast<int>(output_order.size());
  packed.wide = needs_wide(x.top(), shift ? shift : grids.front().top());
  packed.narrow = is_narrow(packed.groups, x.top(), shift ? shift : grids.front().top());
  for (size_t k = 0; k < 4; ++k) packed.last_ones |= (input_order[input_order.size() - 4 + k] >= 0 ? 1 : 0) << (8 * k);
  packed.words.assign(input_order.size() * output_order.size() / 4, 0);
  auto* bytes = reinterpret_cast<int8_t*>(packed.words.data());
  for (size_t n = 0; n < output_order.size(); ++n) {
    const int64_t output = output_order[n];
    if (output < 0) {
      packed.scale.push_back(0.0f), packed.sum.push_back(0.0f), packed.offset.push_back(epilogue.padding);
      continue;
    }
    int64_t total = 0;
    for (size_t k = 0; k < input_order.size(); ++k) {
      if (input_order[k] < 0) continue;
      const int code = codes[static_cast<size_t>(output * inputs + input_order[k])] - shift;
      total += code;
      bytes[((n / 4 * static_cast<size_t>(packed.groups) + k / 4) * 4 + n % 4) * 4 + k % 4] = static_cast<int8_t>(code);
    }
    const Grid& w = grids[static_cast<size_t>(output)];
    const double step = w.step, lower = static_cast<double>(w.lower) + step * shift, x_step = x.step, x_lower = x.lower;
    const double constant = step * x_lower * static_cast<double>(total) + static_cast<double>(inputs) * x_lower * lower + bias[static_cast<size_t>(output)];
    packed.scale.push_back(static_cast<float>(x_step * step * epilogue.scale));
    packed.sum.push_back(static_cast<float>(x_step * lower * epilogue.scale));
    packed.offset.push_back(static_cast<float>(constant * epilogue.scale + epilogue.offset));
    packed.reach = std::max(packed.reach, static_cast<double>(inputs) * magnitude(x) * magnitude(w) + std::fabs(bias[static_cast<size_t>(output)]));
  }
  return packed;
}

}  // namespace intaglio
