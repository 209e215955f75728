// Orders that need operators: made as bytes, signed by people, and sent when enough have signed.
// A draft expires Options::draft_life_ms after its creation.
#pragma once

#include <map>
#include <string>

#include "common/base/result.h"
#include "controller/core/cluster.h"
#include "controller/core/events.h"
#include "controller/core/plans.h"
#include "controller/core/records.h"
#include "controller/core/runs.h"
#include "controller/core/step_context.h"

namespace holdfast::controller {

class Drafts {
 public:
  Drafts(StepContext& step, Cluster& cluster, Plans& plans, Runs& runs, const Loaded& loaded);

  // Schedules the expiry of the loaded drafts. REQUIRES: the first step has begun.
  void Resume();
  void Handle(const event::RestoreRequested& event);
  void Handle(const event::ApprovalGiven& event);
  void Handle(const event::ApprovalDenied& event);
  void Expire(const std::string& run);

 private:
  Result<Answer> Make(const event::RestoreRequested& event);
  Result<Answer> Approve(const event::ApprovalGiven& event);
  Result<Answer> Deny(const event::ApprovalDenied& event);

  StepContext& step_;
  Cluster& cluster_;
  Plans& plans_;
  Runs& runs_;
  std::map<std::string, DraftRecord> drafts_;  // by run
};

}  // namespace holdfast::controller
