// The engine for other languages: packed models from memory, pictures as bytes or planes. Plain C.
//
// Functions that can fail say so by their result; `intaglio_last_error` then tells why and what to do, in one line. A model may be used by one thread at a
// time, different models by different threads.
#ifndef INTAGLIO_API_H
#define INTAGLIO_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define INTAGLIO_API __declspec(dllexport)
#else
#define INTAGLIO_API __attribute__((visibility("default"), used))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct intaglio_model intaglio_model;

// Told after each operation of the network; another result than 0 ends the run.
typedef int (*intaglio_progress)(void* context, int done, int all);

enum { INTAGLIO_DONE = 0, INTAGLIO_FAILED = 1, INTAGLIO_CANCELLED = 2 };

// The model in the bytes of a file, which may be freed afterwards. `threads` share the work of a run; `isa` names an instruction set, or is "" for the
// fastest. Null if the file is refused.
INTAGLIO_API intaglio_model* intaglio_load(const uint8_t* bytes, size_t size, int threads, const char* isa);
INTAGLIO_API void intaglio_free(intaglio_model* model);

INTAGLIO_API int intaglio_scale(const intaglio_model* model);
INTAGLIO_API int intaglio_channels_in(const intaglio_model* model);
INTAGLIO_API int intaglio_channels_out(const intaglio_model* model);
// Tiles that begin and end at multiples of this are cut as the network cuts a whole picture into windows.
INTAGLIO_API int intaglio_multiple(const intaglio_model* model);
// Valid as long as the model.
INTAGLIO_API const char* intaglio_architecture(const intaglio_model* model);
INTAGLIO_API const char* intaglio_isa(const intaglio_model* model);
// Bytes that a run on a picture of this size takes beside its input and output; 0 if it does not fit the network.
INTAGLIO_API size_t intaglio_memory(intaglio_model* model, int height, int width);

// A picture of bytes (height, width, channels) to one of scale times its sides. `progress` may be null.
INTAGLIO_API int intaglio_run_bytes(intaglio_model* model, const uint8_t* picture, int height, int width, uint8_t* result, intaglio_progress progress, void* context);
// Planes (channels, height, width) in [0, 1] to the same, not clipped.
INTAGLIO_API int intaglio_run_planes(intaglio_model* model, const float* picture, int height, int width, float* result, intaglio_progress progress, void* context);

// Why the last function that failed in this thread did. Valid until the next call.
INTAGLIO_API const char* intaglio_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
