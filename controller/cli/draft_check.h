// What stands in a draft, and whether it is what was asked for: the last look before an operator
// signs. The controller's word counts for nothing here but the payload's bytes, which are what the
// signature is over. docs/protocol.md#restore.
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

// What the plan must be. What is empty or missing is compared with nothing.
struct ExpectedRestore {
  std::string cluster_id;
  std::string run;  // the draft
  std::string node;
  std::optional<RestoreTarget> target;
  std::string snapshot_selector;         // as the operator typed it
  bool undo = false;                     // the snapshot must be a safety snapshot
  std::optional<v1::SnapshotView> view;  // what the controller says of the snapshot
  std::optional<std::string> note;
};

// Whether an operator who typed this can have meant the run or the draft: its beginning or its end,
// in either case.
bool IsUlidNamed(std::string_view typed, std::string_view ulid);

// The draft's plan. kDenied when it is no restore or anything in it differs from what is expected
// (the message names all that does), kCorrupt when it cannot be read.
Result<v1::Plan> CheckDraft(const v1::DraftView& draft, const ExpectedRestore& expected,
                            WallTime now);

// Without comparing: to look at. kCorrupt when it cannot be read.
Result<v1::Plan> ReadDraft(const v1::DraftView& draft);

// The plan in words, a title and a text each.
std::vector<std::pair<std::string, std::string>> PlanWords(const v1::Plan& plan);

}  // namespace holdfast::cli
