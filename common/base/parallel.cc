#include "common/base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace holdfast {

unsigned CoreCount() { return std::max(1U, std::thread::hardware_concurrency()); }

void SetIdlePriority() {
  const struct sched_param none {};
  (void)sched_setscheduler(0, SCHED_IDLE, &none);  // this thread only; best effort
}

Result<void> ForEachInParallel(std::size_t count, unsigned threads,
                               const std::function<Result<void>(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::optional<Error> error;
  std::size_t failed = count;
  const auto run = [&] {
    for (;;) {
      const std::size_t i = next.fetch_add(1);
      if (i >= count) return;
      Result<void> done = work(i);
      if (done) continue;
      next = count;
      std::lock_guard lock(mutex);
      if (i < failed) {
        failed = i;
        error = std::move(done).error();
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < std::min<std::size_t>(threads, count); ++i)
      helpers.emplace_back(run);
    run();
  }
  return error ? Result<void>(Fail(*std::move(error))) : Result<void>{};
}

}  // namespace holdfast
