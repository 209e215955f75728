// Tracks which repository locks this machine's processes hold, and which ones dead ones left.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/io/file_lock.h"
#include "common/repository/format/types.h"

namespace holdfast::repository {

// One file for each lock. The holder locks the file by flock(2) before it writes the lock to the
// repository, and unlocks it after it has removed the lock. The kernel unlocks it when the process
// dies. So this does not rely on clocks, or on process ids, which differ between containers.
class LocalLocks {
 public:
  // `directory` is local to this machine; if it is empty, no lock is remembered.
  LocalLocks(std::string directory, std::string repository)
      : directory_(std::move(directory)), repository_(std::move(repository)) {}

  // The caller keeps the result until it has released the lock. nullopt if the lock cannot be
  // remembered: if its holder dies, it stays until "repository unlock" removes it.
  std::optional<FileLock> Remember(const Id& lock) const;
  void Forget(const Id& lock) const;
  // Locks whose holder has died or could not remove them.
  std::vector<Id> DeadLocks() const;

 private:
  std::string PathOf(const Id& lock) const;

  const std::string directory_;
  const std::string repository_;  // the repository's id
};

}  // namespace holdfast::repository
