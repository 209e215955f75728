#include "common/filetree/background_counter.h"

#include <limits>
#include <utility>

#include "common/base/parallel.h"

namespace holdfast::filetree {

BackgroundCounter::BackgroundCounter(const WalkOptions& options, std::uint64_t items_at_once) {
  const Walker::Totals first = Walker::Count(options, items_at_once, {});
  if (first.is_whole) {
    bytes_ = first.bytes;
    return;
  }
  // Two threads must not share the snapshot view.
  WalkOptions own = options;
  own.previous = nullptr;
  thread_ = std::jthread([this, own = std::move(own)](const std::stop_token& stop) {
    SetIdlePriority();
    const Walker::Totals all = Walker::Count(own, std::numeric_limits<std::uint64_t>::max(), stop);
    if (all.is_whole) bytes_ = all.bytes;
  });
}

void BackgroundCounter::Wait() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace holdfast::filetree
