// Looking inside a transformer block from Python: every code and sum of a map.
#include "probe/bindings.h"

#include <cstring>

#include "isa/machine.h"
#include "probe/traced.h"

namespace nb = nanobind;

namespace intaglio {
namespace {

template <class T>
nb::object owned(std::vector<T>&& values, std::initializer_list<size_t> shape) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T>(kept->data(), shape, owner));
}

}  // namespace

nb::object trace_block(const OpSpec& spec, const std::string& isa, const MapArray& array) {
  BlockBench bench(spec, isa, array);
  const BlockShape& shape = bench.block.block_shape();
  const auto windows = static_cast<size_t>(bench.block.windows(bench.map)), tokens = static_cast<size_t>(shape.tokens);
  const auto dim = static_cast<size_t>(shape.dim), hidden = static_cast<size_t>(shape.hidden), square = static_cast<size_t>(shape.heads) * tokens;
  const size_t site_width[] = {dim, dim, dim, dim, dim, dim, square, dim, dim, hidden};
  const size_t sum_width[] = {dim, dim, dim, square, dim, dim, hidden, dim};
  std::vector<std::vector<uint8_t>> codes;
  std::vector<std::vector<int32_t>> sums;
  BlockTrace trace;
  for (size_t width : site_width) codes.emplace_back(windows * tokens * width);
  for (size_t width : sum_width) sums.emplace_back(windows * tokens * width);
  for (size_t i = 0; i < codes.size(); ++i) trace.codes[i] = codes[i].data();
  for (size_t i = 0; i < sums.size(); ++i) trace.sums[i] = sums[i].data();
  WindowBlockArgs args = bench.block.arguments(bench.map, 0, static_cast<int64_t>(windows), bench.scratch.data(), nullptr);
  args.trace = &trace;
  traced_block(kernel_table(isa).isa)(args);
  nb::list code_list, sum_list;
  for (size_t i = 0; i < codes.size(); ++i) code_list.append(owned(std::move(codes[i]), {windows, tokens, site_width[i]}));
  for (size_t i = 0; i < sums.size(); ++i) sum_list.append(owned(std::move(sums[i]), {windows, tokens, sum_width[i]}));
  const auto c = static_cast<size_t>(bench.map.shape.c), h = static_cast<size_t>(bench.map.shape.h), w = static_cast<size_t>(bench.map.shape.w);
  std::vector<float> out(c * h * w);
  for (size_t i = 0; i < c; ++i) std::memcpy(&out[i * h * w], bench.map.channel(static_cast<int64_t>(i)), sizeof(float) * h * w);
  return nb::make_tuple(owned(std::move(out), {c, h, w}), code_list, sum_list);
}

}  // namespace intaglio
