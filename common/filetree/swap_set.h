// Exchanges a set of live files and directories for staged ones so that a crash at any point can be
// undone or finished: the mechanism under every restore in place.
//
// Each staged path lies beside its target, on the same file system, under a name that begins with
// ".holdfast-". Exchange is renameat2(RENAME_EXCHANGE), or a rename where the target is not there
// yet; afterwards the old state lies under the staged name. Which entries are exchanged is told by
// inode numbers recorded before the first one, so recovery never guesses.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::filetree {

class SwapSet {
 public:
  enum class Phase : std::uint8_t { kStaging, kSwapping, kCommitting, kRollingBack };

  // Whoever keeps the record: called with the encoded state before each phase begins; must be
  // durable on return.
  using Record = std::function<Result<void>(std::string_view state)>;

  explicit SwapSet(Record record) : record_(std::move(record)) {}

  // A fresh staging path for `target`: "<parent>/.holdfast-<id>-<n>". Nothing is made. `id` is the
  // run's. REQUIRES: Begin() was not called.
  // kUnsupported, with the reason, when the target is a mount point, holds one below it, or is "/".
  Result<std::string> StagingPath(const std::string& target, std::string_view id);
  // The target, which is there, is to vanish.
  Result<void> AddRemoval(const std::string& target, std::string_view id);

  // Records what is about to be staged, so that a crash while staging leaves nothing behind.
  Result<void> BeginStaging();
  // Records inode numbers of everything staged, then exchanges all entries, syncing directories.
  Result<void> Swap();
  // From here on the new state stays: records it, then removes the old one.
  Result<void> Commit();
  // Exchanges back what was exchanged and removes what was staged. Idempotent.
  Result<void> Rollback();

  // After a crash: rolls back, or finishes a commit that had begun. Says in words what it did.
  static Result<std::string> Recover(std::string_view state, Record record);

  struct Entry {
    std::string target;
    std::string staged;
    std::uint64_t staged_device = 0;
    std::uint64_t staged_inode = 0;  // of the new state; 0 for a removal
    bool had_target = false;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  Result<void> Save(Phase phase);
  Record record_;
  std::vector<Entry> entries_;
};

}  // namespace holdfast::filetree
