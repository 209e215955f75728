// The parts of this node that wait to be composed. While a part is held, a lock of this process
// keeps every prune away from it.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/jobs/backup_task.h"
#include "agent/jobs/job_context.h"
#include "common/base/result.h"
#include "common/repository/types.h"

namespace holdfast::jobs {

// A part as a journal remembers it.
struct UncomposedPart {
  std::string run;
  std::string source;      // "kind/name"
  std::string repository;  // a name in the settings
  repository::Id tree;
};

// Safe to use from several threads.
class HeldParts {
 public:
  void Add(HeldPart part);
  // After a restart: takes a lock for every part before the dead locks of the process before are
  // removed, so that there is no moment without one. To be called before anything else opens the
  // repositories. Parts that are held already stay so. An error per part that could not be held;
  // whether it is still whole is for the composer to find out, and the call can be repeated.
  std::vector<std::pair<UncomposedPart, Error>> TakeUp(const JobContext& context,
                                                       const std::vector<UncomposedPart>& parts);
  // The source's parts of the run are composed or given up. Gives back their locks; returns how
  // many there were.
  std::size_t Release(std::string_view run, std::string_view source);
  // The run is over on this node.
  std::size_t ReleaseRun(std::string_view run);
  std::size_t size() const;

 private:
  bool Has(const UncomposedPart& part) const;

  mutable std::mutex mutex_;
  std::vector<HeldPart> parts_;
};

}  // namespace holdfast::jobs
