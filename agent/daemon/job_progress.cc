#include "agent/daemon/job_progress.h"

#include <algorithm>
#include <ranges>

#include "common/base/result.h"

namespace holdfast::agent {

void JobProgress::Begin(const std::string& subject, const Progress& progress) {
  std::lock_guard lock(mutex_);
  subjects_.emplace_back(subject, &progress);
}

void JobProgress::End(const std::string& subject) {
  std::lock_guard lock(mutex_);
  const auto newest_first = std::views::reverse(subjects_);
  const auto found =
      std::ranges::find(newest_first, subject, &std::pair<std::string, const Progress*>::first);
  HF_CHECK(found != newest_first.end());
  subjects_.erase(std::next(found).base());
}

std::optional<event::TaskProgress> JobProgress::Look(const TaskKey& key) const {
  std::lock_guard lock(mutex_);
  if (subjects_.empty()) return std::nullopt;
  const Progress& progress = *subjects_.back().second;
  return event::TaskProgress{.key = key,
                             .phase = progress.phase(),
                             .items = progress.items,
                             .bytes = progress.bytes,
                             .items_total = progress.items_total,
                             .bytes_total = progress.bytes_total,
                             .bytes_unchanged = progress.bytes_unchanged};
}

}  // namespace holdfast::agent
