// Plans a restore in place before anything is changed.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/files/settings.h"
#include "agent/sources/in_place_rule.h"
#include "agent/sources/restore_scope.h"
#include "common/base/result.h"
#include "common/stream/untrusted_view.h"

namespace holdfast::files {

// One path that will be exchanged: a root, or the topmost missing directory above it.
struct Target {
  std::string path;                // absolute; its parent is a real directory
  std::vector<std::string> roots;  // roots of the snapshot that are `path` or below it
  Attributes attributes;           // in the snapshot
  bool is_there = false;           // exists on this host
};

struct RestorePlan {
  std::vector<Target> targets;
  std::vector<std::string> notes;  // what is not restored, and why
  LeftAloneList left_alone;        // likewise, because it is not allowed
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
};

// "data/srv/app" for "/srv/app".
std::string SnapshotPath(const std::string& path);

// Calls `visit` for everything below the directory `path` of the snapshot, parents first.
Result<void> VisitBelow(
    UntrustedView& snapshot, const std::string& path,
    const std::function<Result<void>(const std::string& path, const Attributes&)>& visit);

// What a restore of the source may change: the configured paths, and what the policy names.
InPlaceRule MakeRule(const InPlacePolicy& policy, const Settings& settings);

// Makes targets of the snapshot's roots that `rule` allows, or of the path that `scope` is limited
// to. Checks permissions and free space; the SwapSet checks mount points. kDenied, kNoSpace or
// kUnsupported with the reason; kNotFound if a directory outside `scope` would have to be created.
Result<RestorePlan> PlanRestore(UntrustedView& snapshot, const InPlaceRule& rule,
                                const RestoreScope& scope, std::stop_token stop);

}  // namespace holdfast::files
