// What the C API needs beside it where JavaScript calls it: progress as a function that the module imports, because JavaScript has no function pointers.
#include "api/intaglio.h"

extern "C" {

// Told after each operation; another result than 0 ends the run.
__attribute__((import_module("intaglio"), import_name("progress"))) int intaglio_host_progress(int done, int all);

static int told(void*, int done, int all) { return intaglio_host_progress(done, all); }

INTAGLIO_API int intaglio_host_run_bytes(intaglio_model* model, const uint8_t* picture, int height, int width, uint8_t* result) {
  return intaglio_run_bytes(model, picture, height, width, result, told, nullptr);
}

INTAGLIO_API int intaglio_host_run_planes(intaglio_model* model, const float* picture, int height, int width, float* result) {
  return intaglio_run_planes(model, picture, height, width, result, told, nullptr);
}

}  // extern "C"
