// Feeds mutated programs to the engine: every one must run or be refused with an Error. Built with sanitizers by scripts/sanitize.sh; no Python.
// usage: intaglio_fuzz [programs] [first seed]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "engine/engine.h"
#include "engine/error.h"
#include "isa/machine.h"

namespace {

using intaglio::Attr;
using intaglio::Extent;
using intaglio::Grid;
using intaglio::OpSpec;
using intaglio::Term;
using Random = std::mt19937_64;
using Ints = std::vector<int64_t>;
using Reals = std::vector<double>;
using Shape = std::vector<Extent>;

int64_t pick(Random& random, int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }
float real(Random& random, float spread) { return std::normal_distribution<float>(0.0f, spread)(random); }

Extent fixed(int64_t n) { return Extent::of(n); }
Extent height(int64_t den = 1) { return {{Term{1, den, 1, 0}}}; }
Extent width(int64_t den = 1) { return {{Term{1, den, 0, 1}}}; }
Extent area(int64_t den = 1) { return {{Term{1, den, 1, 1}}}; }

// Writes operations one after another; each method gives the name of the new value.
struct Writer {
  Random& random;
  std::vector<OpSpec> specs = {};

  std::string add(const char* kind, std::vector<std::string> inputs, std::map<std::string, Attr> attrs = {}) {
    OpSpec spec;
    spec.kind = kind, spec.name = spec.output = "v" + std::to_string(specs.size()), spec.inputs = std::move(inputs), spec.attrs = std::move(attrs);
    specs.push_back(std::move(spec));
    return specs.back().output;
  }
  void floats(const char* role, Ints shape, float spread) {
    size_t count = 1;
    for (int64_t n : shape) count *= static_cast<size_t>(n);
    auto& tensor = specs.back().floats[role];
    tensor.shape = std::move(shape);
    for (size_t i = 0; i < count; ++i) tensor.values.push_back(real(random, spread));
  }
  void site(const char* role, float lower, float upper, int bits) {
    specs.back().sites[role] = {Grid{lower, (upper - lower) / static_cast<float>((1 << bits) - 1), bits}};
  }
  // The weights of the last operation, as codes or as floats.
  void weights(Ints shape, bool quantized) {
    const int64_t outputs = shape[0];
    if (quantized) {
      const int bits = static_cast<int>(pick(random, 2, 8)), act_bits = static_cast<int>(pick(random, 2, 8));
      size_t count = 1;
      for (int64_t n : shape) count *= static_cast<size_t>(n);
      auto& tensor = specs.back().codes["weight.codes"];
      tensor.shape = shape;
      for (size_t i = 0; i < count; ++i) tensor.values.push_back(static_cast<uint8_t>(pick(random, 0, (1 << bits) - 1)));
      site("input", -2.0f, 2.0f, act_bits);
      site("weight", -0.3f, 0.4f, bits);
    } else {
      floats("weight", shape, 0.3f);
    }
    if (pick(random, 0, 3)) floats("bias", {outputs}, 0.1f);
  }
  std::string conv(const std::string& x, int64_t in, int64_t out, int64_t groups = 1) {
    const int64_t kernel = 2 * pick(random, 0, 1) + 1, dilation = pick(random, 0, 5) ? 1 : 2, pad = dilation * (kernel - 1) / 2;
    const std::string y = add("conv2d", {x}, {{"stride", Ints{1, 1}}, {"padding", Ints{pad, pad, pad, pad}}, {"dilation", Ints{dilation, dilation}}, {"groups", groups},
                                              {"pad_mode", std::string(pick(random, 0, 4) ? "zeros" : "reflect")}});
    weights({out, in / groups, kernel, kernel}, pick(random, 0, 1));
    return y;
  }
  std::string linear(const std::string& x, int64_t in, int64_t out, bool quantized = true) {
    const std::string y = add("linear", {x});
    weights({out, in}, quantized);
    return y;
  }
  std::string matmul(const std::string& a, const std::string& b, float low) {
    const std::string y = add("matmul", {a, b});
    site("a", low, 2.0f, static_cast<int>(pick(random, 2, 8)));
    site("b", -2.0f, 2.0f, static_cast<int>(pick(random, 2, 8)));
    return y;
  }
  std::string activation(const std::string& x, const char* function, int64_t channels = 1) {
    const std::string y = add("activation", {x}, {{"function", std::string(function)}, {"slope", std::string(function) == "leaky_relu" ? 0.1 : 0.0}, {"low", 0.0}, {"high", std::string(function) == "clamp" ? 1.0 : 0.0}});
    if (std::string(function) == "prelu") floats("weight", {channels}, 0.3f);
    return y;
  }
  std::string norm(const std::string& x, int64_t dim) {
    const std::string y = add("layer_norm", {x}, {{"eps", 1e-5}});
    floats("weight", {dim}, 1.0f);
    floats("bias", {dim}, 0.1f);
    return y;
  }
  std::string reshape(const std::string& x, Shape shape) { return add("reshape", {x}, {{"shape", std::move(shape)}}); }
  std::string permute(const std::string& x, Ints axes) { return add("permute", {x}, {{"axes", std::move(axes)}}); }

  // In the form that lowering writes and fusion knows.
  std::string block(const std::string& x, int64_t dim, int64_t heads, int64_t window, int64_t shift) {
    const int64_t tokens = window * window, channels = dim / heads, hidden = pick(random, 1, 2 * dim);
    const Shape windows{area(tokens), fixed(tokens), fixed(dim)};
    std::string n = norm(x, dim);
    if (shift) n = add("roll", {n}, {{"shifts", Ints{-shift, -shift}}, {"axes", Ints{1, 2}}});
    n = reshape(n, {fixed(1), height(window), fixed(window), width(window), fixed(window), fixed(dim)});
    n = reshape(permute(n, {0, 1, 3, 2, 4, 5}), windows);
    std::string parts[3];
    for (int part = 0; part < 3; ++part) {
      std::string value = linear(n, dim, dim);
      if (part == 0) value = add("affine", {value}, {{"scale", 0.5}, {"offset", 0.0}});
      value = reshape(value, {area(tokens), fixed(tokens), fixed(heads), fixed(channels)});
      parts[part] = permute(value, part == 1 ? Ints{0, 2, 3, 1} : Ints{0, 2, 1, 3});
    }
    std::string scores = matmul(parts[0], parts[1], -2.0f);
    const std::string bias = add("position_bias", {}, {{"window", Ints{window, window}}});
    floats("table", {(2 * window - 1) * (2 * window - 1), heads}, 0.2f);
    scores = add("add", {scores, bias});
    if (shift) {
      const std::string mask = add("shift_mask", {}, {{"window", Ints{window, window}}, {"shift", Ints{shift, shift}}, {"height", Shape{height()}}, {"width", Shape{width()}}, {"value", -100.0}});
      scores = add("add", {scores, reshape(mask, {area(tokens), fixed(1), fixed(tokens), fixed(tokens)})});
    }
    std::string out = matmul(add("softmax", {scores}, {{"axis", int64_t{3}}}), parts[2], 0.0f);
    out = linear(reshape(permute(out, {0, 2, 1, 3}), windows), dim, dim);
    out = reshape(out, {fixed(1), height(window), width(window), fixed(window), fixed(window), fixed(dim)});
    out = reshape(permute(out, {0, 1, 3, 2, 4, 5}), {fixed(1), height(), width(), fixed(dim)});
    if (shift) out = add("roll", {out}, {{"shifts", Ints{shift, shift}}, {"axes", Ints{1, 2}}});
    const std::string middle = add("add", {x, out});
    const std::string mlp = linear(activation(linear(norm(middle, dim), dim, hidden), "gelu"), hidden, dim);
    return add("add", {middle, mlp});
  }

  // A map of `dim` channels to another of the same shape by an operation of another kind.
  std::string step(const std::string& x, int64_t dim) {
    static const char* functions[] = {"relu", "leaky_relu", "prelu", "gelu", "gelu_tanh", "silu", "sigmoid", "tanh", "mish", "hard_swish", "hard_sigmoid",
                                      "softplus", "clamp", "exp", "log", "sqrt", "rsqrt", "abs", "neg", "square", "reciprocal"};
    static const char* pairs[] = {"add", "sub", "mul", "div", "maximum", "minimum"};
    static const char* reductions[] = {"mean", "sum", "max", "min", "var"};
    static const char* pads[] = {"zero", "reflect", "mirror", "edge", "circular"};
    static const char* modes[] = {"nearest", "bilinear", "bicubic"};
    const Shape map{fixed(1), fixed(dim), height(), width()};
    switch (pick(random, 0, 14)) {
      case 0: return activation(conv(x, dim, dim), functions[pick(random, 0, 20)], dim);
      case 1: return add("add", {conv(x, dim, dim, dim), x});
      case 2: return add("add", {x, add("affine", {conv(x, dim, dim)}, {{"scale", 0.5}, {"offset", 0.0}})});
      case 3: return add(pairs[pick(random, 0, 5)], {x, add("reduce", {x}, {{"function", std::string(reductions[pick(random, 0, 4)])}, {"axes", Ints{2, 3}}, {"keep", int64_t{1}}})});
      case 4: return permute(linear(norm(permute(x, {0, 2, 3, 1}), dim), dim, dim, pick(random, 0, 1)), {0, 3, 1, 2});
      case 5: {
        std::string wide = add("pad", {x}, {{"widths", Shape{fixed(0), fixed(0), fixed(0), fixed(0), fixed(1), fixed(1), fixed(1), fixed(0)}}, {"mode", std::string(pads[pick(random, 0, 4)])}, {"value", 0.0}});
        wide = add("slice", {wide}, {{"axis", int64_t{2}}, {"start", Shape{fixed(1)}}, {"stop", Shape{Extent{{Term{1, 1, 0, 0}, Term{1, 1, 1, 0}}}}}, {"step", int64_t{1}}});
        return add("slice", {wide}, {{"axis", int64_t{3}}, {"start", Shape{fixed(1)}}, {"stop", Shape{Extent{{Term{1, 1, 0, 0}, Term{1, 1, 0, 1}}}}}, {"step", int64_t{1}}});
      }
      case 6: return add("roll", {x}, {{"shifts", Ints{pick(random, -5, 5), 1}}, {"axes", Ints{3, 1}}});
      case 7: {
        const std::string y = add("take", {x}, {{"axis", int64_t{1}}});
        auto& indices = specs.back().indices["indices"];
        indices.shape = {dim};
        for (int64_t i = 0; i < dim; ++i) indices.values.push_back(static_cast<int32_t>(pick(random, 0, dim - 1)));
        return y;
      }
      case 8: return add("pool2d", {x}, {{"function", std::string(pick(random, 0, 1) ? "max" : "avg")}, {"kernel", Ints{3, 3}}, {"stride", Ints{1, 1}}, {"padding", Ints{1, 1}}});
      case 9: {
        const std::string small = add("resize", {x}, {{"mode", std::string(modes[pick(random, 0, 2)])}, {"to", std::string("factor")}, {"factor", Reals{2.0, 1.5}}});
        return add("resize", {small, x}, {{"mode", std::string(modes[pick(random, 0, 2)])}, {"to", std::string("like")}, {"factor", Reals{1.0, 1.0}}});
      }
      case 10: {
        const std::string rows = reshape(x, {fixed(dim), area()}), turned = permute(rows, {1, 0});
        const std::string shares = add("softmax", {matmul(add("normalize", {rows}, {{"axis", int64_t{1}}, {"eps", 1e-6}}), turned, -2.0f)}, {{"axis", pick(random, 0, 1)}});
        return reshape(matmul(shares, rows, 0.0f), map);
      }
      case 11: return conv(add("concat", {x, x}, {{"axis", int64_t{1}}}), 2 * dim, dim);
      case 12: {  // coarser, with four times the channels, and back
        const std::string fine = add("resize", {x}, {{"mode", std::string("nearest")}, {"to", std::string("factor")}, {"factor", Reals{2.0, 2.0}}});
        const std::string deep = add("pixel_unshuffle", {fine}, {{"factor", int64_t{2}}});
        return conv(activation(deep, functions[pick(random, 0, 20)], 4 * dim), 4 * dim, dim);
      }
      case 13: {
        const std::string columns = add("unfold", {x}, {{"kernel", Ints{3, 3}}, {"stride", Ints{1, 1}}, {"padding", Ints{1, 1}}});
        return reshape(add("reduce", {reshape(columns, {fixed(dim), fixed(9), area()})}, {{"function", std::string(reductions[pick(random, 0, 4)])}, {"axes", Ints{1}}, {"keep", int64_t{0}}}), map);
      }
      default: {
        const std::string value = add("constant", {});
        floats("value", {dim, 1, 1}, 1.0f);
        const std::string stretched = add("expand", {value}, {{"shape", Shape{fixed(dim), height(), width()}}});
        return add(pairs[pick(random, 0, 5)], {stretched, x});
      }
    }
  }
};

std::vector<OpSpec> program(Random& random) {
  Writer writer{random};
  static const char* pads[] = {"mirror", "reflect", "edge", "zero"};
  const int64_t window = pick(random, 1, 8), heads = pick(random, 1, 3), dim = heads * pick(random, 1, 6), channels = pick(random, 0, 3) ? 3 : pick(random, 1, 16);
  const Reals mean(static_cast<size_t>(channels), 0.4);
  std::string x = writer.add("input", {}, {{"channels", channels}, {"range", 1.0}, {"mean", mean}, {"multiple", window}, {"pad", std::string(pads[pick(random, 0, 3)])}});
  x = writer.conv(x, channels, dim);
  for (int64_t count = pick(random, 0, 3); count > 0; --count) {
    if (pick(random, 0, 1)) {
      std::string tokens = writer.permute(x, {0, 2, 3, 1});
      tokens = writer.block(tokens, dim, heads, window, pick(random, 0, window - 1));
      x = writer.permute(tokens, {0, 3, 1, 2});
    } else {
      x = writer.step(x, dim);
    }
  }
  x = writer.conv(x, dim, channels);
  writer.add("output", {x}, {{"range", 1.0}, {"mean", mean}});
  return std::move(writer.specs);
}

template <class Map>
auto any(Random& random, Map& map) {
  auto at = map.begin();
  std::advance(at, pick(random, 0, static_cast<int64_t>(map.size()) - 1));
  return at;
}

int64_t odd(Random& random) {
  constexpr int64_t values[] = {-1, 0, 1, 2, 3, 7, 64, 4097, int64_t{1} << 31, int64_t{1} << 62};
  return values[pick(random, 0, 9)];
}

// Another value of the same form, or of another form.
void distort(Random& random, Attr& attr) {
  static const char* words[] = {"", "relu", "mean", "reflect", "like", "bicubic", "prelu", "edge"};
  if (auto* number = std::get_if<int64_t>(&attr)) { *number = odd(random); return; }
  if (auto* number = std::get_if<double>(&attr)) { *number = pick(random, 0, 1) ? static_cast<double>(odd(random)) : NAN; return; }
  if (auto* word = std::get_if<std::string>(&attr)) { *word = words[pick(random, 0, 7)]; return; }
  if (auto* list = std::get_if<Ints>(&attr); list && !list->empty()) { (*list)[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(list->size()) - 1))] = odd(random); return; }
  if (auto* list = std::get_if<Reals>(&attr); list && !list->empty()) { (*list)[0] = static_cast<double>(odd(random)); return; }
  if (auto* list = std::get_if<Shape>(&attr); list && !list->empty()) {
    Extent& extent = (*list)[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(list->size()) - 1))];
    switch (pick(random, 0, 5)) {
      case 5: if (!extent.terms.empty()) extent.terms[0].p = odd(random); return;
      case 0: extent = fixed(odd(random)); return;
      case 1: extent = area(pick(random, 1, 9)); return;
      case 2: if (!extent.terms.empty()) extent.terms[0].num = odd(random); return;
      case 3: if (!extent.terms.empty()) extent.terms[0].a = static_cast<int>(pick(random, -1, 4)); return;
      default: if (!extent.terms.empty()) extent.terms[0].den = odd(random); return;
    }
  }
  attr = odd(random);
}

// One lie: an attribute, an extent, a value, a grid, a missing part, a wire.
void mutate(Random& random, std::vector<OpSpec>& specs) {
  OpSpec& spec = specs[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(specs.size()) - 1))];
  const float odd_float[] = {0.0f, -1.0f, 1e-38f, 1e38f, NAN, INFINITY};
  switch (pick(random, 0, 12)) {
    case 0: case 1: case 2: if (!spec.attrs.empty()) distort(random, any(random, spec.attrs)->second); break;
    case 3: if (!spec.attrs.empty()) spec.attrs.erase(any(random, spec.attrs)); break;
    case 4: if (!spec.floats.empty()) any(random, spec.floats)->second.shape[0] = odd(random); break;
    case 5: if (!spec.floats.empty()) { auto& v = any(random, spec.floats)->second.values; v[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(v.size()) - 1))] = odd_float[pick(random, 0, 5)]; } break;
    case 6: if (!spec.codes.empty()) { auto& v = any(random, spec.codes)->second.values; v[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(v.size()) - 1))] = static_cast<uint8_t>(pick(random, 0, 255)); } break;
    case 7: if (!spec.sites.empty()) { Grid& grid = any(random, spec.sites)->second[0]; (pick(random, 0, 1) ? grid.step : grid.lower) = odd_float[pick(random, 0, 5)]; } break;
    case 8: if (!spec.sites.empty()) any(random, spec.sites)->second[0].bits = static_cast<int>(pick(random, -2, 40)); break;
    case 9: if (!spec.sites.empty()) any(random, spec.sites)->second[0].pieces.push_back({static_cast<int>(pick(random, -1, 90)), static_cast<int>(pick(random, -1, 9))}); break;
    case 10: if (!spec.inputs.empty()) spec.inputs[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(spec.inputs.size()) - 1))] = specs[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(specs.size()) - 1))].output; break;
    case 11: if (!spec.indices.empty()) { spec.indices.begin()->second.values[0] = static_cast<int32_t>(odd(random)); } break;
    default: if (!spec.floats.empty()) any(random, spec.floats)->second.values.pop_back(); break;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t rounds = argc > 1 ? std::atoll(argv[1]) : 1000, first = argc > 2 ? std::atoll(argv[2]) : 0;
  const auto sets = intaglio::instruction_sets();
  int64_t ran = 0, refused = 0, fused = 0;
  for (int64_t round = first; round < first + rounds; ++round) {
    Random random(static_cast<uint64_t>(round));
    std::vector<OpSpec> specs = program(random);
    for (int64_t lies = pick(random, 0, 2); lies > 0; --lies) mutate(random, specs);
    auto isa = sets[static_cast<size_t>(round) % sets.size()];
    if (!isa.runnable) isa = sets[0];
    const int64_t h = pick(random, 1, 20), w = pick(random, 1, 20), scale = 1;
    const bool fuse = pick(random, 0, 2) > 0, planes = pick(random, 0, 1);
    try {
      intaglio::Engine engine(specs, scale, {isa.name, static_cast<int>(pick(random, 1, 3)), size_t{1} << 28, fuse, int64_t{1} << pick(random, 8, 20)});
      const auto in = static_cast<size_t>(h * w * engine.channels_in()), out = static_cast<size_t>(h * w * engine.channels_out());
      for (const auto& line : engine.lines()) fused += line.kind == "window_block";
      if (planes) {
        std::vector<float> picture(in), result(out);
        for (auto& value : picture) value = real(random, 1.0f);
        engine.run({nullptr, picture.data(), h, w}, {nullptr, result.data(), h, w});
      } else {
        std::vector<uint8_t> picture(in), result(out);
        for (auto& value : picture) value = static_cast<uint8_t>(pick(random, 0, 255));
        engine.run({picture.data(), nullptr, h, w}, {result.data(), nullptr, h, w});
      }
      ++ran;
    } catch (const intaglio::Error& error) {
      if (argc > 3) std::printf("%lld: %s\n", static_cast<long long>(round), error.what());
      ++refused;
    }
  }
  std::printf("%lld programs ran (%lld Swin blocks fused in them), %lld were refused, none did harm\n", static_cast<long long>(ran), static_cast<long long>(fused), static_cast<long long>(refused));
  return ran > 0 && refused > 0 ? 0 : 1;
}
