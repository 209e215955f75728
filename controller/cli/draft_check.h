// What a draft contains, and whether it is what the operator requested: the last check before
// signing. Nothing from the controller is trusted except the payload's bytes, because the signature
// is over them. docs/protocol.md#restore.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "controller/cli/restore_target.h"
#include "proto/holdfast/v1/admin.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::cli {

// What the plan must be. Empty or missing fields are not compared.
struct ExpectedRestore {
  std::string cluster_id;
  std::string run;  // the draft
  std::string node;
  std::optional<RestoreTarget> target;
  std::string snapshot_selector;  // as the operator typed it
  bool undo = false;              // the snapshot must be a safety snapshot
  // What the operator accepts as the newest snapshot; nullopt: the selector names one snapshot.
  // Compared only if there is a selector.
  std::optional<v1::NewestRule> newest;
  bool is_just_requested = false;        // the plan must have just been issued
  std::optional<v1::SnapshotView> view;  // what the controller says about the snapshot
  std::optional<std::string> note;
};

// Whether an operator who typed this can mean the run or the draft: a prefix or suffix, in either
// case.
bool MatchesUlid(std::string_view typed, std::string_view ulid);

// The draft's plan. kDenied if it is not a restore or differs from what is expected (the message
// names all differences), kCorrupt if it cannot be read.
Result<v1::Plan> CheckDraft(const v1::DraftView& draft, const ExpectedRestore& expected,
                            WallTime now);

// For display, without comparing. kCorrupt if it cannot be read.
Result<v1::Plan> ReadDraft(const v1::DraftView& draft);

// The plan in words, as pairs of title and text. `now` is for the snapshot's age.
std::vector<std::pair<std::string, std::string>> PlanFields(const v1::Plan& plan, WallTime now);

}  // namespace holdfast::cli
