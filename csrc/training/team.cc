#include "training/team.h"

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

#include <algorithm>

namespace intaglio::training {
namespace {

// The entry points that GCC calls for `#pragma omp parallel`; LLVM's runtime has them too.
struct OpenMp {
  void (*parallel)(void (*body)(void*), void* data, unsigned threads, unsigned flags) = nullptr;
  int (*thread)() = nullptr;
  int (*threads)() = nullptr;

  OpenMp() {
    find(parallel, "GOMP_parallel");
    find(thread, "omp_get_thread_num");
    find(threads, "omp_get_num_threads");
  }
  bool found() const { return parallel && thread && threads; }

 private:
  template <class Function>
  static void find(Function& function, const char* name) {
#if defined(_WIN32)
    (void)function, (void)name;  // torch brings another runtime there: this process computes with one thread
#else
    function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
#endif
  }
};

const OpenMp& runtime() {
  static const OpenMp found;
  return found;
}

struct Job {
  TeamCall call;
  void* body;
  int64_t count;
};

void share(void* data) {
  const Job& job = *static_cast<const Job*>(data);
  // The runtime may give fewer threads than were asked for.
  const int thread = runtime().thread();
  const int64_t threads = runtime().threads();
  const int64_t begin = job.count * thread / threads, end = job.count * (thread + 1) / threads;
  if (begin < end) job.call(job.body, thread, begin, end);
}

}  // namespace

bool has_team() { return runtime().found(); }

void run_team(int threads, int64_t count, TeamCall call, void* body) {
  const int64_t wanted = std::min<int64_t>(threads, count);
  if (count <= 0) return;
  if (wanted <= 1 || !has_team()) {
    call(body, 0, 0, count);
    return;
  }
  Job job{call, body, count};
  runtime().parallel(share, &job, static_cast<unsigned>(wanted), 0);
}

}  // namespace intaglio::training
