// What a run of a block tells of itself: the time of its phases, if asked for. Recording codes and sums is for probes: probe/recorder.h.
#pragma once

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "kernels/block_args.h"

namespace intaglio::kernels {

template <class V>
inline uint64_t ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  uint64_t now;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(now));
  return now;
#else
  return 0;
#endif
}

// Sums of scores are looked at by nobody.
template <class V>
struct Unseen {
  void operator()(int, typename V::I) const {}
};

// Adds up the time of each phase where somebody asks for it; a branch at the end of each phase costs nothing that could be measured. Codes and sums go
// unseen: their calls vanish.
template <class V>
struct Timer {
  PhaseTicks* spent;
  uint64_t last = 0;
  explicit Timer(const WindowBlockArgs& args) : spent(args.ticks) {}
  void window(int64_t) {
    if (spent) [[unlikely]] last = ticks<V>();
  }
  void lap(Phase phase) {
    if (!spent) [[likely]] return;
    const uint64_t now = ticks<V>();
    spent->ticks[static_cast<int>(phase)] += now - last;
    last = now;
  }
  void codes(Site, const int32_t*, int, int) {}
  void value_codes(const int32_t*) {}
  void map_codes(int, int, const int32_t*) {}
  void sum(Sum, int, int, int, typename V::I) {}
  Unseen<V> scores(int, int) const { return {}; }
};

}  // namespace intaglio::kernels
