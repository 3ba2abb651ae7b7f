#include "engine/pool.h"

#if defined(INTAGLIO_X86)
#include <immintrin.h>
#endif

namespace intaglio {
namespace {

// About 50 microseconds: longer than the gap between two operations of a program, shorter than a time slice.
constexpr int spins_before_sleep = 2000;

void relax() {
#if defined(INTAGLIO_X86)
  _mm_pause();
#elif defined(INTAGLIO_ARM)
  __asm__ volatile("yield");
#endif
}

}  // namespace

Pool::Pool(int threads) : threads_(threads < 1 ? 1 : threads) {
  for (int thread = 1; thread < threads_; ++thread) workers_.emplace_back([this, thread] { work(thread); });
}

Pool::~Pool() {
  {
    std::lock_guard lock(mutex_);
    stop_.store(true);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void Pool::share(const Job& job, int thread) const {
  const int64_t begin = job.count * thread / threads_, end = job.count * (thread + 1) / threads_;
  if (begin < end) job.call(job.body, thread, begin, end);
}

void Pool::launch(const Job& job) {
  if (threads_ == 1 || job.count <= 1) {
    if (job.count > 0) job.call(job.body, 0, 0, job.count);
    return;
  }
  job_ = job;
  unfinished_.store(threads_ - 1, std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  share(job, 0);
  for (int spin = 0; unfinished_.load(std::memory_order_acquire) != 0; ++spin) {
    if (spin < spins_before_sleep) {
      relax();
    } else {
      std::this_thread::yield();
    }
  }
}

void Pool::work(int thread) {
  uint64_t seen = 0;
  for (;;) {
    for (int spin = 0; generation_.load(std::memory_order_acquire) == seen && spin < spins_before_sleep; ++spin) relax();
    if (generation_.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stop_.load()) return;
    share(job_, thread);
    unfinished_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

}  // namespace intaglio
