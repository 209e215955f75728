// The parts of this node that wait to be composed. While a part is held, a lock of this process
// keeps a prune from removing it.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "agent/jobs/backup/backup_task.h"
#include "agent/jobs/session/job_context.h"
#include "common/base/result.h"

namespace holdfast::jobs {

// A part, as recorded in a journal.
struct UncomposedPart {
  std::string key;         // as given to Add()
  std::string source;      // "kind/name"
  std::string repository;  // a name in the settings
};

// Safe to use from several threads.
class HeldParts {
 public:
  // `key` is chosen by the caller. Replaces a held part of the same key.
  void Add(const std::string& key, HeldPart part);
  // To be called after a restart, before anything else opens the repositories. First takes a lock
  // for every part and only then removes the dead locks of the previous process, so the parts are
  // always protected. Then removes the dead locks in all other configured repositories that can be
  // reached. Returns an error for each part that could not be held; call again to retry. Parts
  // already held stay held. Does not check that the parts are complete; composing does.
  std::vector<Error> TakeUp(const JobContext& context, const std::vector<UncomposedPart>& parts);
  // Releases the lock of a part that is composed or abandoned. Returns whether it was held.
  bool Release(const std::string& key);
  std::size_t size() const;

 private:
  bool Has(const std::string& key) const;

  mutable std::mutex mutex_;
  std::map<std::string, HeldPart> parts_;
};

}  // namespace holdfast::jobs
