// What a restore in place will exchange, found out before anything is touched.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/files/settings.h"
#include "agent/sources/restore_scope.h"
#include "common/base/result.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::files {

// One name that will be exchanged: a root, or where its directory is gone the topmost one that is.
struct Target {
  std::string path;                // absolute; its parent is a real directory
  std::vector<std::string> roots;  // roots of the snapshot that are `path` or lie below it
  Attributes attributes;           // in the snapshot
  bool is_there = false;           // live
};

struct RestorePlan {
  std::vector<Target> targets;
  std::vector<std::string> notes;  // what is not restored, and why
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
};

// "data/srv/app" for "/srv/app".
std::string SnapshotPath(const std::string& path);

// Calls `visit` for everything below the directory `path` of the snapshot, directories first.
Result<void> VisitBelow(
    SnapshotView& snapshot, const std::string& path,
    const std::function<Result<void>(const std::string& path, const Attributes&)>& visit);

// Roots of the snapshot that the configuration still names become targets, or the path in them that
// `scope` is limited to. Checks rights and free space; mount points are the swap set's to refuse.
// kDenied, kNoSpace or kUnsupported with the reason; kNotFound where a directory that `scope` does
// not have would have to be made.
Result<RestorePlan> PlanRestore(const Settings& settings, SnapshotView& snapshot,
                                const RestoreScope& scope, std::stop_token stop);

}  // namespace holdfast::files
