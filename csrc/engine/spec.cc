#include "engine/spec.h"

#include <cmath>

#include "engine/error.h"
#include "kernels/code_range.h"

namespace intaglio {
namespace {

std::string describe(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

int64_t elements(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) count = extent < 0 || (extent && count > (int64_t{1} << 40) / extent) ? -1 : count * extent;
  return count;
}

bool pieces_fit(const Grid& grid) {
  int64_t top = 0;
  for (const Piece& piece : grid.pieces) {
    if (piece.stride < 1 || piece.steps < 1 || piece.stride > 255 || piece.steps > 255) return false;
    top += int64_t{piece.stride} * piece.steps;
  }
  return grid.pieces.size() <= most_pieces && top < (int64_t{1} << grid.bits);
}

bool is_sound(const Grid& grid) {
  return grid.bits >= 2 && grid.bits <= 8 && std::isfinite(grid.lower) && std::isfinite(grid.step) && grid.step > 0.0f && std::isfinite(grid.inverse()) &&
         std::fabs(grid.lower) < 1e30f && grid.step < 1e30f && pieces_fit(grid);
}

}  // namespace

int Grid::top() const {
  if (pieces.empty()) return (1 << bits) - 1;
  int top = 0;
  for (const Piece& piece : pieces) top += piece.stride * piece.steps;
  return top;
}

void OpSpec::refuse(const std::string& what) const {
  throw Error("operation '" + name + "' (" + kind + "): " + what + "; the program is damaged, pack the model again");
}

const Attr& OpSpec::attr(const std::string& role) const {
  const auto found = attrs.find(role);
  if (found == attrs.end()) refuse("attribute '" + role + "' is missing");
  return found->second;
}

int64_t OpSpec::integer(const std::string& role, int64_t low, int64_t high) const {
  const auto* value = std::get_if<int64_t>(&attr(role));
  if (!value) refuse("attribute '" + role + "' is not an integer");
  if (*value < low || *value > high) {
    refuse("attribute '" + role + "' is " + std::to_string(*value) + ", expected " + std::to_string(low) + " to " + std::to_string(high));
  }
  return *value;
}

float OpSpec::number(const std::string& role) const {
  const Attr& found = attr(role);
  double value = NAN;
  if (const auto* integer = std::get_if<int64_t>(&found)) value = static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&found)) value = *real;
  if (!std::isfinite(value) || std::fabs(value) > 1e30) refuse("attribute '" + role + "' is not a finite number");
  return static_cast<float>(value);
}

const std::string& OpSpec::text(const std::string& role) const {
  const auto* value = std::get_if<std::string>(&attr(role));
  if (!value) refuse("attribute '" + role + "' is not text");
  return *value;
}

const std::vector<double>& OpSpec::reals(const std::string& role) const {
  const auto* values = std::get_if<std::vector<double>>(&attr(role));
  if (!values) refuse("attribute '" + role + "' is not a list of numbers");
  for (double value : *values) {
    if (!std::isfinite(value) || std::fabs(value) > 1e30) refuse("attribute '" + role + "' is not finite");
  }
  return *values;
}

std::vector<float> OpSpec::numbers(const std::string& role, size_t count) const {
  const auto& values = reals(role);
  if (count && values.size() != count) refuse("attribute '" + role + "' is not a list of " + std::to_string(count) + " numbers");
  return {values.begin(), values.end()};
}

std::vector<int64_t> OpSpec::integers(const std::string& role, size_t count) const {
  const auto* values = std::get_if<std::vector<int64_t>>(&attr(role));
  if (!values || (count && values->size() != count)) refuse("attribute '" + role + "' is not a list of integers as long as it should be");
  return *values;
}

const std::vector<Extent>& OpSpec::extents(const std::string& role) const {
  const auto* values = std::get_if<std::vector<Extent>>(&attr(role));
  if (!values) refuse("attribute '" + role + "' is no length");
  return *values;
}

const std::vector<float>& OpSpec::tensor(const std::string& role, const std::vector<int64_t>& shape) const {
  const auto found = floats.find(role);
  if (found == floats.end()) refuse("tensor '" + role + "' is missing");
  const FloatTensor& tensor = found->second;
  if (tensor.shape != shape || elements(shape) != static_cast<int64_t>(tensor.values.size())) {
    refuse("tensor '" + role + "' has shape " + describe(tensor.shape) + ", expected " + describe(shape));
  }
  for (float value : tensor.values) {
    if (!std::isfinite(value)) refuse("tensor '" + role + "' holds NaN or infinite values");
  }
  return tensor.values;
}

std::vector<float> OpSpec::tensor_or_zeros(const std::string& role, int64_t count) const {
  return has_floats(role) ? tensor(role, {count}) : std::vector<float>(static_cast<size_t>(count));
}

const std::vector<int64_t>& OpSpec::shape_of(const std::string& role) const {
  if (const auto found = floats.find(role); found != floats.end()) return found->second.shape;
  const auto found = codes.find(role + ".codes");
  if (found == codes.end()) refuse("tensor '" + role + "' is missing");
  return found->second.shape;
}

const std::vector<uint8_t>& OpSpec::code_tensor(const std::string& role, const std::string& site_role, const std::vector<int64_t>& shape) const {
  const auto found = codes.find(role);
  if (found == codes.end()) refuse("codes '" + role + "' are missing");
  const CodeTensor& tensor = found->second;
  if (tensor.shape != shape || elements(shape) != static_cast<int64_t>(tensor.values.size())) {
    refuse("codes '" + role + "' have shape " + describe(tensor.shape) + ", expected " + describe(shape));
  }
  const int top = site(site_role).front().top();
  for (uint8_t code : tensor.values) {
    if (code > top) refuse("code " + std::to_string(code) + " of '" + role + "' exceeds its width, largest is " + std::to_string(top));
  }
  return tensor.values;
}

const std::vector<Grid>& OpSpec::site(const std::string& role) const {
  const auto found = sites.find(role);
  if (found == sites.end() || found->second.empty()) refuse("site '" + role + "' is missing");
  for (const Grid& grid : found->second) {
    if (!is_sound(grid) || grid.bits != found->second.front().bits) {
      refuse("site '" + role + "' has a grid that spans no range, a width outside 2 to 8 bits, or pieces beyond its codes");
    }
  }
  return found->second;
}

Grid OpSpec::grid(const std::string& role) const {
  const auto& grids = site(role);
  if (grids.size() != 1) refuse("site '" + role + "' has " + std::to_string(grids.size()) + " grids, an activation has one");
  return grids.front();
}

std::vector<Grid> OpSpec::channel_grids(const std::string& role, int64_t channels) const {
  const auto& grids = site(role);
  for (const Grid& grid : grids) {
    if (!grid.pieces.empty()) refuse("site '" + role + "' has pieces, which only grids of activations may have");
  }
  if (grids.size() == 1) return std::vector<Grid>(static_cast<size_t>(channels), grids.front());
  if (static_cast<int64_t>(grids.size()) != channels) {
    refuse("site '" + role + "' has " + std::to_string(grids.size()) + " grids for " + std::to_string(channels) + " output channels");
  }
  return grids;
}

}  // namespace intaglio
