// Which locks of a repository this machine's processes hold, and which one that died has left.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/io/file_lock.h"
#include "common/repository/types.h"

namespace holdfast::repository {

// A file for each lock, which its holder has locked by flock(2) from before the lock is in the
// repository until it is not any more. The kernel frees it with the process, so that nobody has to
// go by the number of a process, which means something else in another container, or by a clock.
class OwnLocks {
 public:
  // `directory` is this machine's; empty: nothing is remembered, and nothing known.
  OwnLocks(std::string directory, std::string repository)
      : directory_(std::move(directory)), repository_(std::move(repository)) {}

  // To be kept until the lock is given back. nullopt where it cannot be remembered: such a lock
  // stays, should its holder die, until somebody removes it by "repository unlock".
  std::optional<FileLock> Remember(const Id& lock) const;
  void Forget(const Id& lock) const;
  // Of which the holder has died, or could not remove them.
  std::vector<Id> Left() const;

 private:
  std::string PathOf(const Id& lock) const;

  const std::string directory_;
  const std::string repository_;  // its id
};

}  // namespace holdfast::repository
