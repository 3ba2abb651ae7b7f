// Work shared among the threads that torch's own operations run on.
//
// A pool of our own would fight with them: they spin for a while after each operation, on the very cores that ours would wake on (two cores, 1.5 million
// elements of fake quantization: 0.8 s an iteration of distillation with two threads so, 0.66 s with one). So the OpenMP runtime that torch has loaded is
// looked up in the process, whatever its file is called; where there is none, the caller's thread does all.
#pragma once

#include <cstdint>
#include <type_traits>

namespace intaglio::training {

// Whether torch's threads were found.
bool has_team();

using TeamCall = void (*)(void* body, int thread, int64_t begin, int64_t end);

void run_team(int threads, int64_t count, TeamCall call, void* body);

// body(thread, begin, end) for the parts of [0, count), cut evenly, thread < threads; returns when all are done. Bodies must not throw.
template <class Body>
void run_team(int threads, int64_t count, Body&& body) {
  using Callable = std::remove_reference_t<Body>;
  run_team(threads, count, [](void* self, int thread, int64_t begin, int64_t end) { (*static_cast<Callable*>(self))(thread, begin, end); },
           const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace intaglio::training
