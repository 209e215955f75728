// What must survive a crash during a restore in place: one small file per source, there from the
// first step that changes anything until the restore is finished or undone.
//
// The file is `<state_dir>/restore/<kind>-<name>.json`: run, source, snapshot, time and the
// restoring session's own state. Whoever holds the source's lock may read and write it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/source.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast {

// A restore that did not end. `state` is what its session last recorded.
struct UnfinishedRestore {
  std::string run;
  std::string kind;
  std::string name;
  std::string snapshot;
  WallTime begin;
  std::string state;
};

// The journal of one restore. REQUIRES: the caller holds the source's lock while it lives. Going
// out of scope leaves the file: what is not finished stays recorded.
class RestoreJournal final : public SwapJournal {
 public:
  RestoreJournal(const std::string& state_dir, UnfinishedRestore facts);
  // The file appears with the first call. Durable on return.
  Result<void> Record(std::string_view state) override;
  // Nothing is left to finish or undo: the file is gone, durably. Harmless when there was none.
  Result<void> Remove();
  bool is_recorded() const { return is_recorded_; }

 private:
  std::string path_;
  UnfinishedRestore facts_;
  bool is_recorded_ = false;
};

// The unfinished restore of one source, nullopt where there is none. kCorrupt, naming the file, for
// one that cannot be understood: somebody must look at the source before anything changes it.
Result<std::optional<UnfinishedRestore>> ReadRestoreJournal(const std::string& state_dir,
                                                            std::string_view kind,
                                                            std::string_view name);

}  // namespace holdfast
