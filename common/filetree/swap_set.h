// Exchanges a set of live files and directories for staged ones. A crash at any point can be undone
// or finished. All restores in place use this mechanism.
//
// Each staged path is next to its target, on the same file system, and its name begins with
// ".holdfast-". The exchange is renameat2(RENAME_EXCHANGE), or a rename if the target does not
// exist. Afterwards the old state has the staged name. Inode numbers recorded before the first
// exchange show which entries are exchanged, so recovery never guesses: only Holdfast changes a
// staged name, so the inode there is reliable even if the target has changed since.
//
// The directory of each target is opened once, without following symlinks. Names are created,
// exchanged and removed relative to that descriptor; callers stage relative to it, too. So the
// owner of a directory above cannot make root change files elsewhere by renaming that directory or
// replacing it with a symlink.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::filetree {

// Prefix of staged names. "<staged>-a" and "<staged>-b" may exist while staging; they are removed
// with the staged file.
inline constexpr std::string_view kStagedPrefix = ".holdfast-";
inline constexpr std::string_view kStagedTemporary = "-a";

// How an interrupted swap was recovered.
struct Recovery {
  bool is_finished = false;  // true: the new state is live; false: the old one is
  std::string text;
};

class SwapSet {
 public:
  enum class Phase : std::uint8_t { kStaging, kSwapping, kCommitting, kRollingBack };

  // Saves the encoded state. Called before each phase begins; the state must be durable on return.
  using Record = std::function<Result<void>(std::string_view state)>;

  explicit SwapSet(Record record) : record_(std::move(record)) {}

  // Returns a new staging path for `target`: "<parent>/.holdfast-<id>-<n>". Creates nothing. `id`
  // is the run's. REQUIRES: BeginStaging() was not called. kUnsupported, with the reason, when the
  // target is a mount point, has one below it, or is "/"; kNotFound when its parent does not exist;
  // kDenied when a directory above is a symlink; kInvalidArgument for a relative path or one given
  // twice.
  Result<std::string> StagingPath(const std::string& target, std::string_view id);
  // The open directory that contains a target and what is staged for it. Valid as long as this
  // object exists.
  // REQUIRES: `path` was given to StagingPath(), or returned by it.
  int DirectoryOf(const std::string& path) const;
  // Creates the directory `staged`, mode 0700, and opens it. Callers write below the descriptor:
  // the owner of the directory above can replace the name. REQUIRES: StagingPath() returned
  // `staged`, and BeginStaging() was called. kBusy if another process replaced the
  // directory before it was opened.
  Result<Fd> MakeDirectory(const std::string& staged);
  // Marks an existing target for removal.
  Result<void> AddRemoval(const std::string& target, std::string_view id);

  // Records what is about to be staged, so that recovery after a crash can remove it. kUnsupported
  // if the file system cannot exchange two names; nothing is changed then.
  Result<void> BeginStaging();
  // Records the inode numbers of all staged files, then exchanges all entries and syncs
  // directories. kBusy if a directory that MakeDirectory() created was replaced. After an error the
  // caller must call Rollback().
  Result<void> Swap();
  // Records that the new state is permanent, then removes the old one.
  Result<void> Commit();
  // Exchanges entries back and removes what was staged. Idempotent; does nothing before
  // BeginStaging(). REQUIRES: Commit() was not called.
  Result<void> Rollback();

  // After a crash: rolls back, or finishes a commit that had begun. Idempotent. kCorrupt when
  // `state` is malformed, kDenied when the directory of a target was replaced; nothing is touched
  // then.
  static Result<Recovery> Recover(std::string_view state, Record record);

  struct Entry;
  // Decodes the entries of a state. kCorrupt if it is malformed, kUnsupported if a later version
  // wrote it.
  static Result<std::vector<Entry>> EntriesOf(std::string_view state);

  struct Entry {
    std::string target;
    std::string staged;
    std::uint64_t staged_device = 0;
    std::uint64_t staged_inode = 0;  // of the new state; 0 for a removal
    std::uint64_t target_inode = 0;  // of the old state; 0 if absent
    std::uint64_t parent_inode = 0;  // of their directory
    bool had_target = false;
    bool is_removal = false;
  };
  const std::vector<Entry>& entries() const { return entries_; }

  // Whether Swap() has begun and Rollback() has not undone it.
  bool is_swapped() const { return phase_ == Phase::kSwapping; }

 private:
  Result<std::string> AddEntry(const std::string& target, std::string_view id, bool is_removal);
  // Opens the directory of a target, unless it is open.
  Result<void> OpenParent(const std::string& target);
  Result<void> OpenParents();
  int ParentOf(const Entry& entry) const { return DirectoryOf(entry.target); }
  std::uint64_t InodeOf(const Entry& entry, const std::string& path) const;  // 0: does not exist
  bool IsExchanged(const Entry& entry) const;
  Result<void> Rename(const Entry& entry, const std::string& from, const std::string& to,
                      unsigned flags) const;
  Result<void> ExchangeOrMove(const Entry& entry, const std::string& from,
                              const std::string& to) const;
  Result<void> ProbeExchange(const Entry& entry) const;
  Result<void> Save(Phase phase);
  Result<void> RemoveStaged();
  Result<void> SyncParents() const;
  Record record_;
  std::optional<Phase> phase_;  // last recorded; none before BeginStaging() and after Rollback()
  std::vector<Entry> entries_;
  std::map<std::string, Fd> parents_;  // by path
};

}  // namespace holdfast::filetree
