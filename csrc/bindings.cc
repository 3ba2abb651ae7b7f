// The only file of the core that sees Python: builds engines from plain values, runs them without the interpreter lock.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <mutex>

#include "bindings_block.h"
#include "engine/engine.h"
#include "engine/error.h"
#include "engine/single.h"
#include "engine/verify.h"
#include "fuse/fuse.h"
#include "isa/machine.h"
#include "reader/model.h"
#if defined(INTAGLIO_PROBE)
#include "probe/bindings.h"
#endif

namespace nb = nanobind;
using namespace nb::literals;

namespace intaglio {
namespace {

using Bytes = nb::ndarray<const uint8_t, nb::c_contig, nb::device::cpu>;
using Floats = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using GridTuple = std::tuple<float, float, int, std::vector<std::pair<int, int>>>;  // lower, step, bits, (stride, steps) of each piece
using PictureArray = nb::ndarray<const uint8_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Indices = nb::ndarray<const int32_t, nb::c_contig, nb::device::cpu>;
using TermTuple = std::tuple<int64_t, int64_t, int, int, int64_t, int64_t>;  // as Term

template <class Array>
std::vector<int64_t> shape_of(const Array& array) {
  std::vector<int64_t> shape(array.ndim());
  for (size_t i = 0; i < shape.size(); ++i) shape[i] = static_cast<int64_t>(array.shape(i));
  return shape;
}

// Collects the operations of a program, then hands them to engines.
struct Builder {
  std::vector<OpSpec> specs;

  // Attributes come by form; `sizes` are lists of lengths, each a list of terms.
  void add(std::string kind, std::string name, std::vector<std::string> inputs, std::string output, const std::map<std::string, int64_t>& ints,
           const std::map<std::string, double>& reals, const std::map<std::string, std::string>& texts, const std::map<std::string, std::vector<int64_t>>& int_lists,
           const std::map<std::string, std::vector<double>>& real_lists, const std::map<std::string, std::vector<std::vector<TermTuple>>>& sizes,
           const std::map<std::string, Floats>& floats, const std::map<std::string, Bytes>& codes, const std::map<std::string, Indices>& indices,
           const std::map<std::string, std::vector<GridTuple>>& sites) {
    OpSpec spec{std::move(kind), std::move(name), std::move(output), std::move(inputs), {}, {}, {}, {}};
    spec.attrs.insert(ints.begin(), ints.end());
    spec.attrs.insert(reals.begin(), reals.end());
    spec.attrs.insert(texts.begin(), texts.end());
    spec.attrs.insert(int_lists.begin(), int_lists.end());
    spec.attrs.insert(real_lists.begin(), real_lists.end());
    for (const auto& [role, extents] : sizes) {
      std::vector<Extent> list;
      for (const auto& terms : extents) {
        Extent extent;
        for (const auto& [num, den, a, b, p, q] : terms) extent.terms.push_back({num, den, a, b, p, q});
        list.push_back(std::move(extent));
      }
      spec.attrs[role] = std::move(list);
    }
    for (const auto& [role, array] : floats) spec.floats[role] = {shape_of(array), {array.data(), array.data() + array.size()}};
    for (const auto& [role, array] : codes) spec.codes[role] = {shape_of(array), {array.data(), array.data() + array.size()}};
    for (const auto& [role, array] : indices) spec.indices[role] = {shape_of(array), {array.data(), array.data() + array.size()}};
    for (const auto& [role, grids] : sites) {
      for (const auto& [lower, step, bits, pieces] : grids) {
        Grid grid{lower, step, bits};
        for (const auto& [stride, steps] : pieces) grid.pieces.push_back({stride, steps});
        spec.sites[role].push_back(std::move(grid));
      }
    }
    specs.push_back(std::move(spec));
  }
};

// The program and the scale of a packed model, as the reader of files finds them.
nb::object read_file(const nb::bytes& data) {
  Model model = read_model({data.c_str(), data.size()});
  return nb::make_tuple(Builder{std::move(model.specs)}, model.scale);
}

// An engine and the lock that makes its runs take turns.
struct Runner {
  Engine engine;
  std::mutex turn;

  Runner(const Builder& builder, int64_t scale, const std::string& isa, int threads, size_t memory, bool fuse, int64_t strip_bytes)
      : engine(builder.specs, scale, Options{isa, threads, memory, fuse, strip_bytes}) {}

  template <class T>
  static nb::object owned(std::unique_ptr<T[]> values, std::initializer_list<size_t> shape) {
    T* data = values.release();
    nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<3>>(data, shape, owner));
  }

  void check(int64_t channels) const {
    if (channels != engine.channels_in()) throw Error("the picture has " + std::to_string(channels) + " channels, this network takes " + std::to_string(engine.channels_in()));
  }

  // Bytes (h, w, c) to (h * scale, w * scale, c').
  nb::object run(const PictureArray& picture, std::vector<OpTime>* times) {
    const auto h = static_cast<int64_t>(picture.shape(0)), w = static_cast<int64_t>(picture.shape(1));
    check(static_cast<int64_t>(picture.shape(2)));
    const auto out_h = static_cast<size_t>(h * engine.scale()), out_w = static_cast<size_t>(w * engine.scale()), out_c = static_cast<size_t>(engine.channels_out());
    std::unique_ptr<uint8_t[]> pixels;
    {
      nb::gil_scoped_release release;
      std::lock_guard lock(turn);
      engine.prepare(h, w);  // refuses sizes that do not fit before anything is allocated
      pixels.reset(new uint8_t[out_h * out_w * out_c]);
      engine.run({picture.data(), nullptr, h, w}, {pixels.get(), nullptr, static_cast<int64_t>(out_h), static_cast<int64_t>(out_w)}, times);
    }
    return owned(std::move(pixels), {out_h, out_w, out_c});
  }

  // Planes (c, h, w) in [0, 1] to (c', h * scale, w * scale), not clipped.
  nb::object planes(const MapArray& planes) {
    const auto h = static_cast<int64_t>(planes.shape(1)), w = static_cast<int64_t>(planes.shape(2));
    check(static_cast<int64_t>(planes.shape(0)));
    const auto out_h = static_cast<size_t>(h * engine.scale()), out_w = static_cast<size_t>(w * engine.scale()), out_c = static_cast<size_t>(engine.channels_out());
    std::unique_ptr<float[]> values;
    {
      nb::gil_scoped_release release;
      std::lock_guard lock(turn);
      engine.prepare(h, w);
      values.reset(new float[out_h * out_w * out_c]);
      engine.run({nullptr, planes.data(), h, w}, {nullptr, values.get(), static_cast<int64_t>(out_h), static_cast<int64_t>(out_w)});
    }
    return owned(std::move(values), {out_c, out_h, out_w});
  }

  nb::object profile(const PictureArray& picture) {
    std::vector<OpTime> times;
    nb::object result = run(picture, &times);
    nb::list rows;
    for (const OpTime& time : times) rows.append(nb::make_tuple(time.kind, time.name, time.seconds));
    return nb::make_tuple(result, rows);
  }

  // What runs, (kind, name, operations that it stands for), and what was tried and not fused, (pattern, name, reason).
  nb::object plan() const {
    nb::list lines, remarks;
    for (const PlanLine& line : engine.lines()) lines.append(nb::make_tuple(line.kind, line.name, line.parts));
    for (const Remark& remark : engine.remarks()) remarks.append(nb::make_tuple(remark.pattern, remark.name, remark.reason));
    return nb::make_tuple(lines, remarks);
  }
};

// The last operation of the builder on tensors, for a padded picture of h by w, and the seconds of its fastest run.
nb::object run_operation(const Builder& builder, const std::string& isa, int threads, const std::vector<Floats>& values, int64_t h, int64_t w, int repeats) {
  if (builder.specs.empty()) throw Error("there is no operation to run; add one first");
  std::vector<DenseTensor> inputs;
  for (const Floats& value : values) {
    if (value.ndim() > static_cast<size_t>(max_rank) || value.size() == 0) throw Error("a value has at most eight axes, none of them empty");
    DenseTensor tensor{{}, {value.data(), value.data() + value.size()}};
    for (int64_t length : shape_of(value)) tensor.dims.append(length);
    inputs.push_back(std::move(tensor));
  }
  auto* run = new SingleRun(run_single(builder.specs.back(), isa, threads, inputs, h, w, repeats));
  nb::capsule owner(run, [](void* p) noexcept { delete static_cast<SingleRun*>(p); });
  const Dims& dims = run->output.dims;
  size_t extents[max_rank];
  for (int axis = 0; axis < dims.rank; ++axis) extents[axis] = static_cast<size_t>(dims[axis]);
  return nb::make_tuple(nb::ndarray<nb::numpy, float>(run->output.values.data(), static_cast<size_t>(dims.rank), extents, owner), run->seconds);
}

// The Swin blocks that fusion finds in a program, for looking inside: as many builders, each with one operation.
std::vector<Builder> window_blocks(const Builder& builder, const std::string& isa) {
  verify(builder.specs);
  std::vector<Builder> blocks;
  for (OpSpec& spec : fuse(builder.specs, kernel_table(isa)).specs) {
    if (spec.kind == "window_block") blocks.push_back({{std::move(spec)}});
  }
  return blocks;
}

void register_errors(nb::module_& m) {
  nb::exception<Error>(m, "CoreError");
  nb::register_exception_translator([](const std::exception_ptr& raised, void*) {
    try {
      std::rethrow_exception(raised);
    } catch (const std::bad_alloc&) {
      PyErr_SetString(PyExc_MemoryError, "the engine ran out of memory");
    }
  });
}

std::vector<std::string> kernel_names() {
  return {
#define INTAGLIO_KERNEL(name, argument) #name,
#include "kernels.inc"
#undef INTAGLIO_KERNEL
  };
}

nb::object dot_tile(const std::string& isa, const Bytes& activations, const nb::ndarray<const int8_t, nb::c_contig, nb::device::cpu>& weights, bool wide) {
  const KernelTable& table = kernel_table(isa);
  const bool shaped = activations.ndim() == 3 && weights.ndim() == 3 && activations.shape(0) == weights.shape(1) &&
                      activations.shape(1) == static_cast<size_t>(table.lanes) && activations.shape(2) == 4 && weights.shape(2) == 4;
  if (!shaped) throw Error("expected activations (groups, lanes, 4) and weights (outputs, groups, 4)");
  const size_t outputs = weights.shape(0), lanes = activations.shape(1);
  auto* sums = new int32_t[outputs * lanes];
  nb::capsule owner(sums, [](void* p) noexcept { delete[] static_cast<int32_t*>(p); });
  table.dot_tile({activations.data(), weights.data(), sums, static_cast<int>(activations.shape(0)), static_cast<int>(outputs), wide});
  return nb::cast(nb::ndarray<nb::numpy, int32_t, nb::ndim<2>>(sums, {outputs, lanes}, owner));
}

}  // namespace
}  // namespace intaglio

NB_MODULE(_core, m) {
  using namespace intaglio;
  // A command that is interrupted ends with objects alive: no leak, and nothing to print after its last word.
  nb::set_leak_warnings(false);
  register_errors(m);
  m.def("instruction_sets", [] {
    nb::list rows;
    for (const IsaReport& isa : instruction_sets()) rows.append(nb::make_tuple(isa.name, isa.runnable, isa.needs));
    return rows;
  });
  m.def("lanes", [](const std::string& isa) { return kernel_table(isa).lanes; }, "isa"_a);
  m.def("kernels", &kernel_names);
  m.def("dot_tile", &dot_tile, "isa"_a, "activations"_a, "weights"_a, "wide"_a);
  nb::class_<Builder>(m, "Builder")
      .def(nb::init<>())
      .def("add", &Builder::add, "kind"_a, "name"_a, "inputs"_a, "output"_a, "ints"_a, "reals"_a, "texts"_a,
           "int_lists"_a, "real_lists"_a, "sizes"_a, "floats"_a, "codes"_a, "indices"_a, "sites"_a)
#if defined(INTAGLIO_PROBE)
      .def("trace_block", [](const Builder& self, size_t op, const std::string& isa, const MapArray& map) { return trace_block(self.specs.at(op), isa, map); },
           "op"_a, "isa"_a, "map"_a)
#endif
      .def("time_block",
           [](const Builder& self, size_t op, const std::string& isa, const MapArray& map, int repeats) { return time_block(self.specs.at(op), isa, map, repeats); },
           "op"_a, "isa"_a, "map"_a, "repeats"_a);
  m.def("run_operation", &run_operation, "operation"_a, "isa"_a, "threads"_a, "values"_a, "height"_a, "width"_a, "repeats"_a = 1);
  m.def("read_file", &read_file, "data"_a);
  m.def("window_blocks", &window_blocks, "program"_a, "isa"_a);
  nb::class_<Runner>(m, "Engine")
      .def(nb::init<const Builder&, int64_t, const std::string&, int, size_t, bool, int64_t>(), "program"_a, "scale"_a, "isa"_a, "threads"_a, "memory"_a, "fuse"_a,
           "strip_bytes"_a = Options{}.strip_bytes)
      .def("run", [](Runner& self, const PictureArray& picture) { return self.run(picture, nullptr); }, "picture"_a)
      .def("planes", &Runner::planes, "planes"_a)
      .def("profile", &Runner::profile, "picture"_a)
      .def("plan", &Runner::plan)
      .def("memory", [](const Runner& self, int64_t h, int64_t w) { return self.engine.memory(h, w); }, "height"_a, "width"_a)
      .def_prop_ro("isa", [](const Runner& self) { return self.engine.isa(); })
      .def_prop_ro("threads", [](const Runner& self) { return self.engine.threads(); });
}
