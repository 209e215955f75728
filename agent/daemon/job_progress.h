// How far a job is, for whoever asks from another thread.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/core/events.h"
#include "common/stream/progress.h"

namespace holdfast::agent {

// Safe to use from several threads.
class JobProgress {
 public:
  // One subject may begin inside another, as the safety snapshot of a restore: it counts until its
  // end.
  void Begin(const std::string& subject, const Progress& progress);
  void End(const std::string& subject);
  // As it is now; nullopt before the first Begin() and after the last End().
  std::optional<event::TaskProgress> Look(const TaskKey& key) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, const Progress*>> subjects_;
};

}  // namespace holdfast::agent
