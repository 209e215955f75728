// Plans a restore in place: compares the snapshot's files with the live ones.
#pragma once

#include <cstdint>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/haproxy/survey.h"
#include "agent/sources/restore_method.h"
#include "agent/sources/restore_scope.h"
#include "common/base/result.h"
#include "common/stream/attributes.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::haproxy {

struct Target {
  enum class Action : std::uint8_t { kReplace, kAdd, kRemove };
  Action action = Action::kReplace;
  std::string path;       // absolute, without symlinks in its directories
  Attributes attributes;  // of the new state; a directory includes everything below it (kAdd)
  std::string staged;     // set when it is staged
  bool is_named = false;  // in the live configuration, so a safety snapshot has the old state
};

struct RestorePlan {
  std::string prefix;  // where the files are in the snapshot
  std::vector<Target> targets;
  std::vector<std::string> unchanged;  // files and symlinks that match the snapshot
  std::vector<std::string> skipped;    // what is never restored, e.g. sockets; in words
  std::set<std::string> removed;       // paths of kRemove
};

// Compares content and attributes; owners only as root, because only root can set them. Nothing
// outside `scope` is in the plan. `keep_others`: do not remove files that the snapshot does not
// have. kAlreadyExists if a directory is in the place of a file or symlink, or the reverse;
// kNotFound if a directory outside `scope` would have to be created.
Result<RestorePlan> PlanRestore(SnapshotView& view, const std::string& prefix, const Survey& live,
                                const RestoreScope& scope, bool keep_others, std::stop_token stop);
// Passes each change of the plan to `visit`, for a dry run.
Result<void> TellChanges(const RestorePlan& plan, SnapshotView& view, const ChangeVisitor& visit);

// Checks permissions and space in the directories of all targets. kDenied and kNoSpace name them.
Result<void> CheckRoom(const RestorePlan& plan, SnapshotView& view);

// Makes `mirror` show the planned state: below it, each path of the snapshot leads to its staged or
// unchanged file.
Result<void> FillMirror(const RestorePlan& plan, SnapshotView& view, const std::string& mirror);

}  // namespace holdfast::haproxy
