#include "common/filetree/count_ahead.h"

#include <limits>
#include <utility>

#include "common/base/parallel.h"

namespace holdfast::filetree {

CountAhead::CountAhead(const WalkOptions& options, std::uint64_t items_at_once) {
  const Walker::Totals first = Walker::Count(options, items_at_once, {});
  if (first.is_whole) {
    bytes_ = first.bytes;
    return;
  }
  // The snapshot view is not for two threads.
  WalkOptions own = options;
  own.previous = nullptr;
  thread_ = std::jthread([this, own = std::move(own)](const std::stop_token& stop) {
    TakeWhatOthersLeave();
    const Walker::Totals all = Walker::Count(own, std::numeric_limits<std::uint64_t>::max(), stop);
    if (all.is_whole) bytes_ = all.bytes;
  });
}

void CountAhead::Wait() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace holdfast::filetree
