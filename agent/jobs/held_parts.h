// The parts of this node that wait to be composed. While a part is held, a lock of this process
// keeps every prune away from it.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "agent/jobs/backup_task.h"
#include "agent/jobs/job_context.h"
#include "common/base/result.h"

namespace holdfast::jobs {

// A part as a journal remembers it.
struct UncomposedPart {
  std::string key;         // as given to Add()
  std::string source;      // "kind/name"
  std::string repository;  // a name in the settings
};

// Safe to use from several threads.
class HeldParts {
 public:
  // `key` is the caller's own word for the part; one that is held already is replaced.
  void Add(const std::string& key, HeldPart part);
  // After a restart: takes a lock for every part before the dead locks of the process before are
  // removed, so that there is no moment without one; then removes those of all other repositories
  // in the settings, as far as they can be reached. To be called before anything else opens the
  // repositories. An error for each part that could not be held, to be tried again by the same
  // call; parts that are held stay so. Whether they are still whole is for the composer to find
  // out.
  std::vector<Error> TakeUp(const JobContext& context, const std::vector<UncomposedPart>& parts);
  // The part is composed or given up: gives back its lock. Whether there was one.
  bool Release(const std::string& key);
  std::size_t size() const;

 private:
  bool Has(const std::string& key) const;

  mutable std::mutex mutex_;
  std::map<std::string, HeldPart> parts_;
};

}  // namespace holdfast::jobs
