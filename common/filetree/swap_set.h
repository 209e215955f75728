// Exchanges a set of live files and directories for staged ones so that a crash at any point can be
// undone or finished: the mechanism under every restore in place.
//
// Each staged path lies beside its target, on the same file system, under a name that begins with
// ".holdfast-". Exchange is renameat2(RENAME_EXCHANGE), or a rename where the target is not there
// yet; afterwards the old state lies under the staged name. Which entries are exchanged is told by
// inode numbers recorded before the first one, so recovery never guesses: only we touch a staged
// name, so what lies there tells, whatever became of the target meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::filetree {

// How staged names begin. "<staged>-a" and "<staged>-b" may come and go while staging, and are
// removed with it.
inline constexpr std::string_view kStagedPrefix = ".holdfast-";
inline constexpr std::string_view kStagedTemporary = "-a";

class SwapSet {
 public:
  enum class Phase : std::uint8_t { kStaging, kSwapping, kCommitting, kRollingBack };

  // Whoever keeps the record: called with the encoded state before each phase begins; must be
  // durable on return.
  using Record = std::function<Result<void>(std::string_view state)>;

  explicit SwapSet(Record record) : record_(std::move(record)) {}

  // A fresh staging path for `target`: "<parent>/.holdfast-<id>-<n>". Nothing is made. `id` is the
  // run's. REQUIRES: BeginStaging() was not called.
  // kUnsupported, with the reason, when the target is a mount point, holds one below it, or is "/";
  // kNotFound when its parent is not there, kInvalidArgument for a relative path or one given
  // twice.
  Result<std::string> StagingPath(const std::string& target, std::string_view id);
  // The target, which is there, is to vanish.
  Result<void> AddRemoval(const std::string& target, std::string_view id);

  // Records what is about to be staged, so that a crash while staging leaves nothing behind.
  // kUnsupported where the file system cannot exchange two names; nothing was changed then.
  Result<void> BeginStaging();
  // Records inode numbers of everything staged, then exchanges all entries, syncing directories.
  // After an error Rollback() is due.
  Result<void> Swap();
  // From here on the new state stays: records it, then removes the old one.
  Result<void> Commit();
  // Exchanges back what was exchanged and removes what was staged. Idempotent, and nothing to do
  // before BeginStaging(). REQUIRES: Commit() was not called.
  Result<void> Rollback();

  // After a crash: rolls back, or finishes a commit that had begun. Says in words what it did.
  // Idempotent. kCorrupt when `state` is no state of ours; nothing is touched then.
  static Result<std::string> Recover(std::string_view state, Record record);

  struct Entry {
    std::string target;
    std::string staged;
    std::uint64_t staged_device = 0;
    std::uint64_t staged_inode = 0;  // of the new state; 0 for a removal
    std::uint64_t target_inode = 0;  // of the old state; 0 where there was none
    bool had_target = false;
    bool is_removal = false;
  };
  const std::vector<Entry>& entries() const { return entries_; }

  // Whether Swap() has begun and Rollback() has not undone it.
  bool is_swapped() const { return phase_ == Phase::kSwapping; }

 private:
  Result<std::string> AddEntry(const std::string& target, std::string_view id, bool is_removal);
  Result<void> Save(Phase phase);
  Result<void> RemoveStaged();
  Result<void> SyncParents() const;
  Record record_;
  std::optional<Phase> phase_;  // last recorded; none before BeginStaging() and after Rollback()
  std::vector<Entry> entries_;
};

}  // namespace holdfast::filetree
