// A pool of threads with static partition: spin for a while at the barrier, then sleep.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace intaglio {

class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return threads_; }

  // body(thread, begin, end) on every thread, with [0, count) cut evenly; returns when all are done. Bodies must not throw.
  template <class Body>
  void run(int64_t count, Body&& body) {
    using Callable = std::remove_reference_t<Body>;
    launch(Job{[](void* self, int thread, int64_t begin, int64_t end) { (*static_cast<Callable*>(self))(thread, begin, end); },
               const_cast<void*>(static_cast<const void*>(&body)), count});
  }

 private:
  struct Job {
    void (*call)(void*, int, int64_t, int64_t) = nullptr;
    void* body = nullptr;
    int64_t count = 0;
  };

  void launch(const Job& job);
  void work(int thread);
  void share(const Job& job, int thread) const;

  int threads_;
  Job job_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> unfinished_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
};

}  // namespace intaglio
