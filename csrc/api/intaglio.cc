#include "api/intaglio.h"

#include <new>

#include "engine/engine.h"
#include "engine/error.h"
#include "reader/model.h"

struct intaglio_model {
  std::string architecture;
  int64_t multiple;
  intaglio::Engine engine;

  intaglio_model(intaglio::Model model, const intaglio::Options& options)
      : architecture(std::move(model.architecture)), multiple(model.multiple), engine(std::move(model.specs), model.scale, options) {}
};

namespace {

// An instance of the module has one thread; emscripten 3.1.6 compiles a use of a thread_local string to a trap.
#if !defined(INTAGLIO_WASM)
thread_local
#endif
    std::string last_error;

std::string reason(const std::exception& error) {
  const bool memory = dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const std::length_error*>(&error);
  return memory ? "out of memory; use a smaller picture or model" : error.what();
}

// What `work` yields; `failed`, with the reason kept, where it throws. No exception leaves the library.
template <class Result, class Work>
Result guarded(Result failed, Work work) {
  try {
    return work();
  } catch (const std::exception& error) {
    last_error = reason(error);
  }
  return failed;
}

int run(intaglio_model* model, const intaglio::Picture& picture, intaglio::MutablePicture result, intaglio_progress progress, void* context) {
  return guarded(static_cast<int>(INTAGLIO_FAILED), [&]() -> int {
    intaglio::Engine& engine = model->engine;
    engine.prepare(picture.h, picture.w);
    result.h = picture.h * engine.scale(), result.w = picture.w * engine.scale();
    intaglio::Watch watch;
    if (progress) watch = [&](size_t done, size_t all) { return progress(context, static_cast<int>(done), static_cast<int>(all)) == 0; };
    return engine.run(picture, result, nullptr, watch) ? INTAGLIO_DONE : INTAGLIO_CANCELLED;
  });
}

}  // namespace

extern "C" {

intaglio_model* intaglio_load(const uint8_t* bytes, size_t size, int threads, const char* isa) {
  return guarded(static_cast<intaglio_model*>(nullptr), [&] {
    intaglio::Model model = intaglio::read_model({reinterpret_cast<const char*>(bytes), size});
    return new intaglio_model(std::move(model), {isa, threads, 0, true});
  });
}

void intaglio_free(intaglio_model* model) { delete model; }

int intaglio_scale(const intaglio_model* model) { return static_cast<int>(model->engine.scale()); }
int intaglio_channels_in(const intaglio_model* model) { return static_cast<int>(model->engine.channels_in()); }
int intaglio_channels_out(const intaglio_model* model) { return static_cast<int>(model->engine.channels_out()); }
int intaglio_multiple(const intaglio_model* model) { return static_cast<int>(model->multiple); }
const char* intaglio_architecture(const intaglio_model* model) { return model->architecture.c_str(); }
const char* intaglio_isa(const intaglio_model* model) { return model->engine.isa(); }
size_t intaglio_memory(intaglio_model* model, int height, int width) {
  return guarded(size_t{0}, [&] { return model->engine.memory(height, width); });
}

int intaglio_run_bytes(intaglio_model* model, const uint8_t* picture, int height, int width, uint8_t* result, intaglio_progress progress, void* context) {
  return run(model, {picture, nullptr, height, width}, {result, nullptr, 0, 0}, progress, context);
}

int intaglio_run_planes(intaglio_model* model, const float* picture, int height, int width, float* result, intaglio_progress progress, void* context) {
  return run(model, {nullptr, picture, height, width}, {nullptr, result, 0, 0}, progress, context);
}

const char* intaglio_last_error(void) { return last_error.c_str(); }

}  // extern "C"
