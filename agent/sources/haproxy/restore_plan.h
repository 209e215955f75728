// What a restore in place would change on this host: the snapshot's files compared with the live
// ones.
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
  std::string path;       // absolute, without symlinks on the way
  Attributes attributes;  // of the new state; a directory stands for all below it (kAdd)
  std::string staged;     // set by whoever stages
  bool is_named = false;  // the live configuration names it: a safety snapshot has the old state
};

struct RestorePlan {
  std::string prefix;  // where the files lie in the snapshot
  std::vector<Target> targets;
  std::vector<std::string> unchanged;  // files and symlinks that are already as in the snapshot
  std::vector<std::string> skipped;    // in words: what is never put back, e.g. sockets
  std::set<std::string> removed;       // paths of kRemove
};

// `keep_others`: files that the snapshot does not have are not removed. Nothing outside `scope` is
// in the plan.
// Compares content and attributes; owners only when run as root, who alone can set them.
// kAlreadyExists where a directory stands for a file or a file, or a symlink, for a directory;
// kNotFound where a directory that `scope` does not have would have to be made.
Result<RestorePlan> PlanRestore(SnapshotView& view, const std::string& prefix, const Survey& live,
                                const RestoreScope& scope, bool keep_others, std::stop_token stop);
// Tells each change of the plan, for a dry run.
Result<void> TellChanges(const RestorePlan& plan, SnapshotView& view, const ChangeVisitor& visit);

// Rights on, and space in, the directories of all targets. kDenied and kNoSpace name them.
Result<void> CheckRoom(const RestorePlan& plan, SnapshotView& view);

// Makes `mirror` show the planned state: below it each of the snapshot's paths leads to its staged
// or unchanged file.
Result<void> FillMirror(const RestorePlan& plan, SnapshotView& view, const std::string& mirror);

}  // namespace holdfast::haproxy
