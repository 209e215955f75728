// Plans a restore in place: compares the snapshot's files with the live ones.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/haproxy/survey.h"
#include "agent/sources/in_place_rule.h"
#include "agent/sources/restore_method.h"
#include "agent/sources/restore_scope.h"
#include "common/base/result.h"
#include "common/stream/attributes.h"
#include "common/stream/untrusted_view.h"

namespace holdfast::haproxy {

// How many files and directories of a snapshot a restore in place looks at. All of them are in
// memory while HAProxy checks them.
inline constexpr std::size_t kEntriesMax = 250'000;

struct Target {
  enum class Action : std::uint8_t { kReplace, kAdd, kRemove };
  Action action = Action::kReplace;
  std::string path;  // absolute, without symlinks in its directories
  // Of the new state; a directory includes everything below it that may be restored (kAdd).
  Attributes attributes;
  std::string staged;     // set when it is staged
  bool is_named = false;  // in the live configuration, so a safety snapshot has the old state
};

struct RestorePlan {
  std::string prefix;  // where the files are in the snapshot
  std::vector<Target> targets;
  std::vector<std::string> unchanged;  // files and symlinks that match the snapshot
  LeftAloneList left_alone;            // what is in the snapshot and not in the plan
  std::set<std::string> removed;       // paths of kRemove
};

struct PlanOptions {
  std::string prefix;  // where the files are in the snapshot
  RestoreScope scope;
  bool keep_others = false;  // do not remove files that the snapshot does not have
};

// What a restore of HAProxy may change: what `live` or the policy names.
InPlaceRule MakeRule(const InPlacePolicy& policy, const Survey& live);

// Compares content and attributes; owners only as root, because only root can set them. Only paths
// that `rule` allows and that are in the scope are in the plan, besides missing directories above
// them. kAlreadyExists if a directory is in the place of a file or symlink, or the reverse;
// kNotFound if a directory outside the scope would have to be created; kDenied if `rule` allows
// nothing that the snapshot has; kUnsupported for a snapshot beyond kEntriesMax.
Result<RestorePlan> PlanRestore(UntrustedView& view, const Survey& live, const InPlaceRule& rule,
                                const PlanOptions& options, std::stop_token stop);

// Visits what `target`, which is not removed, consists of in the snapshot, parents first.
Result<void> VisitTarget(
    const RestorePlan& plan, const InPlaceRule& rule, UntrustedView& view, const Target& target,
    const std::function<Result<void>(const std::string& path, const Attributes&)>& visit);

// Passes each change of the plan to `visit`, for a dry run.
Result<void> TellChanges(const RestorePlan& plan, const InPlaceRule& rule, UntrustedView& view,
                         const ChangeVisitor& visit);

// Checks permissions and space in the directories of all targets. kDenied and kNoSpace name them.
Result<void> CheckRoom(const RestorePlan& plan, const InPlaceRule& rule, UntrustedView& view);

// Makes `mirror` show the planned state: below it, each path of the snapshot leads to its staged or
// unchanged file.
Result<void> FillMirror(const RestorePlan& plan, const InPlaceRule& rule, UntrustedView& view,
                        const std::string& mirror);

}  // namespace holdfast::haproxy
