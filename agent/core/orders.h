// Decides which orders to obey, and begins them. common/trust/plan_verifier.h has the checks;
// Trust calls it. A plan is durable before it has any effect, and remembered as long as it can be
// replayed. Knows StepContext, IdentityState, Plans, Session, Reports, Parts and Tasks.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "agent/core/identity_state.h"
#include "agent/core/parts.h"
#include "agent/core/plans.h"
#include "agent/core/reports.h"
#include "agent/core/session.h"
#include "agent/core/step_context.h"
#include "agent/core/tasks.h"
#include "agent/core/trust.h"
#include "common/base/bytes.h"

namespace holdfast::agent {

class Orders {
 public:
  Orders(StepContext& step, IdentityState& identity, Plans& plans, Session& session,
         Reports& reports, Parts& parts, Tasks& tasks);

  // Begins the loaded plans again.
  void Resume();
  void Take(const Bytes& envelope);
  // Checks parked plans again that got a fresh answer or have waited long enough.
  void RetryParked();
  // The plan has expired: gives up unfinished tasks, and releases its parts.
  void Expire(const Bytes& plan_id);
  void Forget(const Bytes& plan_id);

 private:
  struct Parked {
    Bytes envelope;
    std::int64_t until_ms = 0;  // boot
  };

  CheckResult Check(const Bytes& envelope) const;
  bool IsKnown(const CheckResult& checked) const;
  void Accept(const Bytes& envelope, const CheckResult& checked);
  void Refuse(const Bytes& envelope, const CheckResult& checked);
  void Begin(Plan& plan, const v1::Plan& message, bool is_resumed);
  void BeginBackup(Plan& plan, const v1::Plan& message, bool is_resumed);
  void BeginCut(Plan& plan, const v1::Plan& message);
  void BeginEnd(const Plan& plan, const v1::Plan& message);
  void BeginSingle(Plan& plan, const v1::Plan& message, bool is_resumed);
  void CancelIfRunEnded(const Plan& plan);

  StepContext& step_;
  IdentityState& identity_;
  Plans& plans_;
  Session& session_;
  Reports& reports_;
  Parts& parts_;
  Tasks& tasks_;
  std::vector<Parked> parked_;
  std::set<Bytes> early_cuts_;          // backup plans that arrive after their cut orders
  std::set<Bytes> refused_;             // hashes of refused envelopes
  std::int64_t refusals_since_ms_ = 0;  // boot
  std::uint32_t refusals_ = 0;          // unsigned ones since then
};

}  // namespace holdfast::agent
