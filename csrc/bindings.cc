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
#include "isa/machine.h"
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
using PictureArray = nb::ndarray<const uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

template <class Array>
std::vector<int64_t> shape_of(const Array& array) {
  std::vector<int64_t> shape(array.ndim());
  for (size_t i = 0; i < shape.size(); ++i) shape[i] = static_cast<int64_t>(array.shape(i));
  return shape;
}

// Collects the operations of a program, then hands them to engines.
struct Builder {
  std::vector<OpSpec> specs;

  void add(std::string kind, std::string name, std::vector<std::string> inputs, std::string output, std::map<std::string, Attr> attrs,
           const std::map<std::string, Floats>& floats, const std::map<std::string, Bytes>& codes,
           const std::map<std::string, std::vector<GridTuple>>& sites) {
    OpSpec spec{std::move(kind), std::move(name), std::move(output), std::move(inputs), std::move(attrs), {}, {}, {}};
    for (const auto& [role, array] : floats) spec.floats[role] = {shape_of(array), {array.data(), array.data() + array.size()}};
    for (const auto& [role, array] : codes) spec.codes[role] = {shape_of(array), {array.data(), array.data() + array.size()}};
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

// An engine and the lock that makes its runs take turns.
struct Runner {
  Engine engine;
  std::mutex turn;

  Runner(const Builder& builder, int64_t scale, const std::string& isa, int threads, size_t memory)
      : engine(builder.specs, scale, Options{isa, threads, memory}) {}

  nb::object run(const PictureArray& picture, std::vector<OpTime>* times) {
    const auto h = static_cast<int64_t>(picture.shape(0)), w = static_cast<int64_t>(picture.shape(1));
    engine.memory(h, w);  // refuses sizes that do not fit before anything is allocated
    const auto out_h = static_cast<size_t>(h * engine.scale()), out_w = static_cast<size_t>(w * engine.scale());
    auto pixels = std::make_unique<uint8_t[]>(out_h * out_w * 3);
    {
      nb::gil_scoped_release release;
      std::lock_guard lock(turn);
      engine.run({picture.data(), h, w}, {pixels.get(), static_cast<int64_t>(out_h), static_cast<int64_t>(out_w)}, times);
    }
    uint8_t* data = pixels.release();
    nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<uint8_t*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, uint8_t, nb::ndim<3>>(data, {out_h, out_w, 3}, owner));
  }

  nb::object profile(const PictureArray& picture) {
    std::vector<OpTime> times;
    nb::object result = run(picture, &times);
    nb::list rows;
    for (const OpTime& time : times) rows.append(nb::make_tuple(time.kind, time.name, time.seconds));
    return nb::make_tuple(result, rows);
  }
};

// The last operation of the builder on maps (c, h, w), and the seconds of its fastest run.
nb::object run_operation(const Builder& builder, const std::string& isa, int threads, const std::vector<Floats>& maps, int repeats) {
  if (builder.specs.empty()) throw Error("there is no operation to run; add one first");
  std::vector<DenseMap> inputs;
  for (const Floats& map : maps) {
    if (map.ndim() != 3 || map.size() == 0) throw Error("a map has three axes, none of them empty: channels, height, width");
    const std::vector<int64_t> shape = shape_of(map);
    inputs.push_back({{shape[0], shape[1], shape[2]}, {map.data(), map.data() + map.size()}});
  }
  auto* run = new SingleRun(run_single(builder.specs.back(), isa, threads, inputs, repeats));
  nb::capsule owner(run, [](void* p) noexcept { delete static_cast<SingleRun*>(p); });
  const Shape& shape = run->output.shape;
  const size_t extents[] = {static_cast<size_t>(shape.c), static_cast<size_t>(shape.h), static_cast<size_t>(shape.w)};
  return nb::make_tuple(nb::ndarray<nb::numpy, float, nb::ndim<3>>(run->output.values.data(), 3, extents, owner), run->seconds);
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
      .def("add", &Builder::add, "kind"_a, "name"_a, "inputs"_a, "output"_a, "attrs"_a, "floats"_a, "codes"_a, "sites"_a)
#if defined(INTAGLIO_PROBE)
      .def("trace_block", [](const Builder& self, size_t op, const std::string& isa, const MapArray& map) { return trace_block(self.specs.at(op), isa, map); },
           "op"_a, "isa"_a, "map"_a)
#endif
      .def("time_block",
           [](const Builder& self, size_t op, const std::string& isa, const MapArray& map, int repeats) { return time_block(self.specs.at(op), isa, map, repeats); },
           "op"_a, "isa"_a, "map"_a, "repeats"_a);
  m.def("run_operation", &run_operation, "operation"_a, "isa"_a, "threads"_a, "maps"_a, "repeats"_a = 1);
  nb::class_<Runner>(m, "Engine")
      .def(nb::init<const Builder&, int64_t, const std::string&, int, size_t>(), "program"_a, "scale"_a, "isa"_a, "threads"_a, "memory"_a)
      .def("run", [](Runner& self, const PictureArray& picture) { return self.run(picture, nullptr); }, "picture"_a)
      .def("profile", &Runner::profile, "picture"_a)
      .def("memory", [](const Runner& self, int64_t h, int64_t w) { return self.engine.memory(h, w); }, "height"_a, "width"_a)
      .def_prop_ro("isa", [](const Runner& self) { return self.engine.isa(); })
      .def_prop_ro("threads", [](const Runner& self) { return self.engine.threads(); });
}
