// What must survive a crash during a restore in place. One small file per source, from the first
// step that changes anything until the restore is finished or undone.
//
// The file `journals/<kind>-<name>.json` in the helper's directory has run, source, snapshot, time
// and the restore session's own state. Access requires the source's lock. After a crash,
// SourceSession::Open() recovers the restore and removes the file, if the same user wrote it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/source.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast {

// An interrupted restore. `state` is what its session recorded last.
struct UnfinishedRestore {
  std::string run;
  std::string kind;
  std::string name;
  std::string snapshot;
  WallTime begin;
  std::string state;
  bool is_own = true;  // this process's user wrote it, so this process may finish or undo it
};

// The journal of one restore. REQUIRES: the caller holds the source's lock during the object's
// lifetime. The destructor keeps the file, so an unfinished restore stays recorded.
class RestoreJournal final : public SwapJournal {
 public:
  RestoreJournal(std::string state_dir, UnfinishedRestore facts);
  // The first call creates the file. Durable on return.
  Result<void> Record(std::string_view state) override;
  // Removes the file, durably, because nothing is left to finish or undo. No error if it is
  // missing.
  Result<void> Remove();

 private:
  const std::string state_dir_;
  const std::string path_;
  UnfinishedRestore facts_;
  bool is_recorded_ = false;
};

// The file names of all journals, sorted, including those of sources that are no longer configured.
Result<std::vector<std::string>> RestoreJournals(const std::string& state_dir);
// The file name of a source's journal.
std::string RestoreJournalName(std::string_view kind, std::string_view name);
// The directory of all journals.
std::string RestoreJournalDirectory(const std::string& state_dir);

// The unfinished restore of a source, or nullopt. kCorrupt, naming the file, if it is malformed:
// then an operator must inspect the source before anything changes it. kUnsupported if another
// version of the program wrote it. For root, kDenied if another user could have written it.
Result<std::optional<UnfinishedRestore>> ReadRestoreJournal(const std::string& state_dir,
                                                            std::string_view kind,
                                                            std::string_view name);
// The command that finishes or undoes an interrupted restore, as a hint.
std::string HowToRecover(const UnfinishedRestore& unfinished);
// The restore that the content of a journal describes; errors name `path`.
Result<UnfinishedRestore> ParseRestoreJournal(std::string_view content, std::string_view kind,
                                              std::string_view name, const std::string& path);

}  // namespace holdfast
