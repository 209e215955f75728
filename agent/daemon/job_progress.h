// Progress of a job, readable from other threads.
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
  // Subjects may nest, e.g. the safety snapshot of a restore. Then the inner one counts until its
  // End().
  void Begin(const std::string& subject, const Progress& progress);
  void End(const std::string& subject);
  // The current progress; nullopt before the first Begin() and after the last End().
  std::optional<event::TaskProgress> Look(const TaskKey& key) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, const Progress*>> subjects_;
};

}  // namespace holdfast::agent
