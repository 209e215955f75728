#include "common/base/wait.h"

#include <condition_variable>
#include <mutex>

namespace holdfast {

bool WaitFor(std::chrono::nanoseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  (void)never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace holdfast
