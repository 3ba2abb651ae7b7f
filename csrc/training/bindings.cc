// The extension `intaglio.quant._fused`: the only file of this folder that sees Python.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "training/attention.h"
#include "training/fake_quantize.h"
#include "training/tally.h"
#include "training/team.h"

namespace nb = nanobind;
using namespace intaglio::training;

namespace {

using Input = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<float, nb::c_contig, nb::device::cpu>;

// Elements for a thread below which waking it costs more than it saves; torch's own operations have the same.
constexpr int64_t kGrain = 32768;

int team_of(int threads, int64_t count) { return static_cast<int>(std::min<int64_t>(threads, count / kGrain)); }

void check_sizes(size_t a, size_t b) {
  if (a != b) throw std::invalid_argument("arrays of different sizes were given to a fused quantizer");
}

void forward(const Input& x, Output out, float lower, float upper, int bits, int threads) {
  check_sizes(x.size(), out.size());
  const Grid grid{lower, upper, bits};
  const float* source = x.data();
  float* target = out.data();
  const auto count = static_cast<int64_t>(x.size());
  const nb::gil_scoped_release released;
  run_team(team_of(threads, count), count, [&](int, int64_t begin, int64_t end) { fake_quantize(source, target, begin, end, grid); });
}

std::pair<double, double> backward(const Input& grad, const Input& x, std::optional<Output> grad_x, float lower,
                                   float upper, int bits, int threads) {
  check_sizes(x.size(), grad.size());
  if (grad_x) check_sizes(x.size(), grad_x->size());
  const Grid grid{lower, upper, bits};
  float* target = grad_x ? grad_x->data() : nullptr;
  const auto count = static_cast<int64_t>(x.size());
  std::vector<BoundGradients> parts(static_cast<size_t>(std::max(threads, 1)), BoundGradients{0.0, 0.0});
  {
    const nb::gil_scoped_release released;
    run_team(team_of(threads, count), count, [&](int thread, int64_t begin, int64_t end) {
      parts[static_cast<size_t>(thread)] = fake_quantize_backward(grad.data(), x.data(), target, begin, end, grid);
    });
  }
  std::pair<double, double> sums{0.0, 0.0};
  for (const BoundGradients& part : parts) {
    sums.first += part.lower;
    sums.second += part.upper;
  }
  return sums;
}

using BinArray = nb::ndarray<double, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;

// Each thread but the first has bins of its own, which are added up at the end. Returns the number of zeros.
int64_t tally_into(const Input& x, BinArray into, float inverse, float first, int threads) {
  const Bins bins{inverse, first, static_cast<int64_t>(into.shape(0))};
  if (bins.size < 1) throw std::invalid_argument("a tally needs at least one bin");
  auto* target = reinterpret_cast<Bin*>(into.data());
  const auto count = static_cast<int64_t>(x.size());
  const nb::gil_scoped_release released;
  const int team = std::max(team_of(threads, count), 1);
  std::vector<std::vector<Bin>> parts(static_cast<size_t>(team - 1), std::vector<Bin>(static_cast<size_t>(bins.size), Bin{0.0, 0.0}));
  std::vector<int64_t> zeros(static_cast<size_t>(team), 0);
  run_team(team, count, [&](int thread, int64_t begin, int64_t end) {
    Bin* own = thread == 0 ? target : parts[static_cast<size_t>(thread - 1)].data();
    zeros[static_cast<size_t>(thread)] = tally(x.data(), begin, end, bins, own);
  });
  for (const auto& part : parts) {
    for (size_t i = 0; i < part.size(); ++i) {
      target[i].sum += part[i].sum;
      target[i].count += part[i].count;
    }
  }
  return std::accumulate(zeros.begin(), zeros.end(), int64_t{0});
}

using StridedInput = nb::ndarray<const float, nb::ndim<4>, nb::device::cpu>;
using StridedOutput = nb::ndarray<float, nb::ndim<4>, nb::device::cpu>;

template <class T, class Array>
Heads<T> heads_of(const Array& array, const AttentionShape& shape) {
  const bool fits = static_cast<int64_t>(array.shape(0)) == shape.windows && static_cast<int64_t>(array.shape(1)) == shape.heads &&
                    static_cast<int>(array.shape(2)) == shape.tokens && static_cast<int>(array.shape(3)) == shape.channels;
  if (!fits) throw std::invalid_argument("attention was given operands of different shapes");
  if (array.stride(3) != 1 && shape.channels > 1) throw std::invalid_argument("attention needs the channels of a head side by side");
  return {array.data(), array.stride(0), array.stride(1), array.stride(2)};
}

AttentionInputs inputs_of(const StridedInput& q, const StridedInput& k, const StridedInput& v, const Input& bias, const std::vector<Grid>& grids) {
  AttentionInputs in;
  in.shape = {static_cast<int64_t>(q.shape(0)), static_cast<int64_t>(q.shape(1)), static_cast<int>(q.shape(2)), static_cast<int>(q.shape(3)), 1};
  const AttentionShape& shape = in.shape;
  const size_t area = q.shape(1) * q.shape(2) * q.shape(2);
  if (area == 0 || bias.size() == 0 || bias.size() % area != 0) throw std::invalid_argument("the bias of attention does not fit its operands");
  if (grids.size() != 4) throw std::invalid_argument("attention has four grids");
  in.shape.maps = static_cast<int64_t>(bias.size() / area);
  in.q = heads_of<const float>(q, shape);
  in.k = heads_of<const float>(k, shape);
  in.v = heads_of<const float>(v, shape);
  in.bias = bias.data();
  in.q_grid = grids[0];
  in.k_grid = grids[1];
  in.shares_grid = grids[2];
  in.v_grid = grids[3];
  return in;
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const AttentionTable* table : attention_tables()) names.emplace_back(table->isa);
  return names;
}

// The fastest if `isa` is empty.
const AttentionTable& table_of(const std::string& isa) {
  for (auto table = attention_tables().rbegin(); table != attention_tables().rend(); ++table) {
    if (isa.empty() || isa == (*table)->isa) return **table;
  }
  throw std::invalid_argument("attention is not built for '" + isa + "', or this machine cannot run it");
}

void attend(const StridedInput& q, const StridedInput& k, const StridedInput& v, const Input& bias, const std::vector<Grid>& grids,
            StridedOutput out, int threads, const std::string& isa) {
  const AttentionInputs in = inputs_of(q, k, v, bias, grids);
  const AttentionTable& table = table_of(isa);
  const Heads<float> target = heads_of<float>(out, in.shape);
  const nb::gil_scoped_release released;
  attention(in, target, table, threads);
}

std::vector<std::pair<double, double>> attend_backward(const StridedInput& grad, const StridedInput& q, const StridedInput& k, const StridedInput& v,
                                                       const Input& bias, const std::vector<Grid>& grids, StridedOutput grad_q,
                                                       StridedOutput grad_k, StridedOutput grad_v, int threads, const std::string& isa) {
  const AttentionInputs in = inputs_of(q, k, v, bias, grids);
  const AttentionTable& table = table_of(isa);
  const Heads<const float> source = heads_of<const float>(grad, in.shape);
  const AttentionGradients out{heads_of<float>(grad_q, in.shape), heads_of<float>(grad_k, in.shape), heads_of<float>(grad_v, in.shape)};
  const nb::gil_scoped_release released;
  std::vector<std::pair<double, double>> sums;
  for (const BoundGradients& part : attention_backward(in, source, out, table, threads)) sums.emplace_back(part.lower, part.upper);
  return sums;
}

}  // namespace

NB_MODULE(_fused, module) {
  nb::set_leak_warnings(false);  // as _core does
  module.doc() = "Fused fake quantization of float tensors with one pair of bounds, and attention between quantized operands.";
  module.def("forward", &forward, nb::arg("x"), nb::arg("out"), nb::arg("lower"), nb::arg("upper"), nb::arg("bits"),
             nb::arg("threads"));
  module.def("backward", &backward, nb::arg("grad"), nb::arg("x"), nb::arg("grad_x").none(), nb::arg("lower"),
             nb::arg("upper"), nb::arg("bits"), nb::arg("threads"));
  nb::class_<Grid>(module, "Grid").def(nb::init<float, float, int>(), nb::arg("lower"), nb::arg("upper"), nb::arg("bits"));
  module.def("tally", &tally_into, nb::arg("x"), nb::arg("into"), nb::arg("inverse"), nb::arg("first"), nb::arg("threads"));
  module.def("has_team", &has_team);
  module.def("instruction_sets", &instruction_sets);
  module.def("attend", &attend, nb::arg("q"), nb::arg("k"), nb::arg("v"), nb::arg("bias"), nb::arg("grids"), nb::arg("out"), nb::arg("threads"),
             nb::arg("isa") = "");
  module.def("attend_backward", &attend_backward, nb::arg("grad"), nb::arg("q"), nb::arg("k"), nb::arg("v"), nb::arg("bias"), nb::arg("grids"),
             nb::arg("grad_q"), nb::arg("grad_k"), nb::arg("grad_v"), nb::arg("threads"), nb::arg("isa") = "");
}
