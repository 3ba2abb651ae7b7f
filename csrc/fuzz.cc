// Feeds mutated programs to the engine: every one must run or be refused with an Error. Built with sanitizers by scripts/sanitize.sh; no Python.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "engine/engine.h"
#include "engine/error.h"
#include "isa/machine.h"

namespace {

using intaglio::Grid;
using intaglio::OpSpec;
using Random = std::mt19937_64;

int64_t pick(Random& random, int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }
float real(Random& random, float spread) { return std::normal_distribution<float>(0.0f, spread)(random); }

void fill(Random& random, OpSpec& spec, const std::string& role, std::vector<int64_t> shape, float spread) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  auto& tensor = spec.floats[role];
  tensor.shape = std::move(shape);
  for (int64_t i = 0; i < count; ++i) tensor.values.push_back(real(random, spread));
}

void weight(Random& random, OpSpec& spec, const std::string& part, int64_t outputs, int64_t inputs) {
  const int bits = static_cast<int>(pick(random, 2, 8));
  spec.sites[part + ".weight"] = {Grid{-0.3f, 0.6f / static_cast<float>((1 << bits) - 1), bits}};
  auto& tensor = spec.codes[part + ".codes"];
  tensor.shape = {outputs, inputs};
  for (int64_t i = 0; i < outputs * inputs; ++i) tensor.values.push_back(static_cast<uint8_t>(pick(random, 0, (1 << bits) - 1)));
}

OpSpec block(Random& random, int64_t dim, int64_t window, const std::string& input, const std::string& output) {
  const int64_t heads = pick(random, 1, 3), width = dim * heads, hidden = pick(random, 1, 9);
  OpSpec spec{"window_block", output, output, {input}, {}, {}, {}, {}};
  spec.attrs = {{"dim", width}, {"heads", heads}, {"window", window}, {"shift", pick(random, 0, window - 1)}, {"hidden", hidden}, {"eps", 1e-5}};
  for (const char* part : {"q", "k", "v", "proj"}) weight(random, spec, part, width, width);
  weight(random, spec, "fc1", hidden, width);
  weight(random, spec, "fc2", width, hidden);
  for (const char* site : {"q.input", "k.input", "v.input", "scores.a", "scores.b", "context.a", "context.b", "proj.input", "fc1.input", "fc2.input"}) {
    const int bits = static_cast<int>(pick(random, 2, 8));
    spec.sites[site] = {Grid{-1.0f, 2.5f / static_cast<float>((1 << bits) - 1), bits}};
  }
  fill(random, spec, "norm", {4, width}, 1.0f);
  fill(random, spec, "bias", {5 * width + hidden}, 0.1f);
  fill(random, spec, "table", {(2 * window - 1) * (2 * window - 1), heads}, 0.2f);
  return spec;
}

OpSpec conv(Random& random, int64_t in, int64_t out, const std::string& input, const std::string& output) {
  OpSpec spec{"conv2d", output, output, {input}, {}, {}, {}, {}};
  const int64_t kernel = 2 * pick(random, 0, 1) + 1;
  spec.attrs = {{"in", in}, {"out", out}, {"kernel", kernel}, {"stride", int64_t{1}}, {"pad", kernel / 2}, {"act", std::string("none")}, {"slope", 0.1}};
  fill(random, spec, "weight", {out, in, kernel, kernel}, 0.2f);
  fill(random, spec, "bias", {out}, 0.1f);
  return spec;
}

std::vector<OpSpec> program(Random& random) {
  const int64_t window = pick(random, 1, 9);
  OpSpec first{"picture", "p", "p", {}, {{"range", 1.0}, {"mean", std::vector<double>{0.4, 0.4, 0.4}}, {"multiple", window}}, {}, {}, {}};
  std::vector<OpSpec> specs{first};
  OpSpec body = block(random, pick(random, 1, 9), window, "wide", "b");
  const int64_t width = std::get<int64_t>(body.attrs["dim"]);
  specs.push_back(conv(random, 3, width, "p", "wide"));
  specs.push_back(std::move(body));
  // Half of the sums stand right behind a convolution, which then makes them, on either side.
  const bool fused = pick(random, 0, 1), leads = pick(random, 0, 1);
  if (fused) specs.push_back(conv(random, width, width, "b", "c"));
  const std::string term = fused ? "c" : "b";
  specs.push_back({"add", "sum", "sum", {leads ? term : "wide", leads ? "wide" : term}, {{"scale", 0.5}}, {}, {}, {}});
  specs.push_back(conv(random, width, 3, "sum", "last"));
  specs.push_back({"output", "o", "o", {"last"}, {{"range", 1.0}, {"mean", std::vector<double>{0.4, 0.4, 0.4}}}, {}, {}, {}});
  return specs;
}

template <class Map>
auto any(Random& random, Map& map) {
  auto at = map.begin();
  std::advance(at, pick(random, 0, static_cast<int64_t>(map.size()) - 1));
  return at;
}

// One lie: an attribute, an extent, a value, a grid, a missing part, a wire.
void mutate(Random& random, std::vector<OpSpec>& specs) {
  OpSpec& spec = specs[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(specs.size()) - 1))];
  const int64_t odd[] = {-1, 0, 1, 2, 3, 7, 64, 4097, int64_t{1} << 31, int64_t{1} << 62};
  const float odd_float[] = {0.0f, -1.0f, 1e-38f, 1e38f, NAN, INFINITY};
  switch (pick(random, 0, 9)) {
    case 0: if (!spec.attrs.empty()) any(random, spec.attrs)->second = odd[pick(random, 0, 9)]; break;
    case 1: if (!spec.attrs.empty()) spec.attrs.erase(any(random, spec.attrs)); break;
    case 2: if (!spec.floats.empty()) any(random, spec.floats)->second.shape[0] = odd[pick(random, 0, 9)]; break;
    case 3: if (!spec.floats.empty()) { auto& v = any(random, spec.floats)->second.values; v[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(v.size()) - 1))] = odd_float[pick(random, 0, 5)]; } break;
    case 4: if (!spec.codes.empty()) { auto& v = any(random, spec.codes)->second.values; v[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(v.size()) - 1))] = static_cast<uint8_t>(pick(random, 0, 255)); } break;
    case 5: if (!spec.sites.empty()) { Grid& grid = any(random, spec.sites)->second[0]; (pick(random, 0, 1) ? grid.step : grid.lower) = odd_float[pick(random, 0, 5)]; } break;
    case 6: if (!spec.sites.empty()) any(random, spec.sites)->second[0].bits = static_cast<int>(pick(random, -2, 40)); break;
    case 7: if (!spec.sites.empty()) any(random, spec.sites)->second[0].pieces.push_back({static_cast<int>(pick(random, -1, 90)), static_cast<int>(pick(random, -1, 9))}); break;
    case 8: if (!spec.inputs.empty()) spec.inputs[0] = specs[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(specs.size()) - 1))].output; break;
    default: if (!spec.floats.empty()) any(random, spec.floats)->second.values.pop_back(); break;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t rounds = argc > 1 ? std::atoll(argv[1]) : 1000;
  const auto sets = intaglio::instruction_sets();
  int64_t ran = 0, refused = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    Random random(static_cast<uint64_t>(round));
    std::vector<OpSpec> specs = program(random);
    for (int64_t lies = pick(random, 0, 2); lies > 0; --lies) mutate(random, specs);
    const auto& isa = sets[static_cast<size_t>(round) % sets.size()];
    if (!isa.runnable) continue;
    const int64_t h = pick(random, 1, 20), w = pick(random, 1, 20);
    std::vector<uint8_t> picture(static_cast<size_t>(h * w * 3)), result(static_cast<size_t>(h * w * 3));
    for (auto& value : picture) value = static_cast<uint8_t>(pick(random, 0, 255));
    try {
      intaglio::Engine engine(specs, 1, {isa.name, static_cast<int>(pick(random, 1, 3)), size_t{1} << 28});
      engine.run({picture.data(), h, w}, {result.data(), h, w});
      ++ran;
    } catch (const intaglio::Error&) {
      ++refused;
    }
  }
  std::printf("%lld programs ran, %lld were refused, none did harm\n", static_cast<long long>(ran), static_cast<long long>(refused));
  return ran > 0 && refused > 0 ? 0 : 1;
}
