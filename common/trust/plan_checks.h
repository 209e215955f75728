// The table used by CheckPlan() (plan_verifier.h): one row per check of
// docs/protocol.md#order-of-checks. Only for adding a check, and for tests that remove one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/trust/envelope.h"
#include "common/trust/orders.h"
#include "common/trust/plan_verifier.h"

namespace holdfast::trust {

// A plan during its checks. Parses envelope and plan on first use, so the table's order ensures
// that a payload is parsed only after its signature was verified.
class Examination {
 public:
  // Both must outlive the object.
  Examination(ByteView bytes, const PlanContext& context) : bytes_(bytes), context_(context) {}

  ByteView bytes() const { return bytes_; }
  const PlanContext& context() const { return context_; }

  // What could be parsed, even if EnvelopeForm() or PlanForm() fails.
  const Envelope& envelope();
  Result<void> EnvelopeForm();
  const v1::Plan& plan();
  Result<void> PlanForm();
  v1::OrderKind kind() { return KindOf(plan()); }
  // SHA-256 of the envelope's payload.
  const crypto::Digest& hash();
  // The guard's verdict on the plan.
  ReplayVerdict Replay();

  // Results of checks, for later ones.
  std::optional<crypto::KeyId> controller_key;
  std::vector<std::string> operators;
  bool fresh_answer_helps = false;

  // What is known so far, for the caller.
  CheckedPlan Describe();

 private:
  ByteView bytes_;
  const PlanContext& context_;
  std::optional<Envelope> envelope_;
  Result<void> envelope_form_;
  std::optional<v1::Plan> plan_;
  Result<void> plan_form_;
  std::optional<crypto::Digest> hash_;
};

struct PlanCheck {
  std::string_view name;
  // The error's message and hint become the refusal's.
  Result<void> (*examine)(Examination& examination);
};

// In this order: size, envelope, type, controller, order, decode, cluster, node, incarnation,
// epoch, time, operators, freshness, replay, source, repository, policy, restore_root,
// restore_target, path.
std::span<const PlanCheck> PlanChecks();

// Runs the checks in order until one refuses.
CheckedPlan RunPlanChecks(std::span<const PlanCheck> checks, ByteView envelope,
                          const PlanContext& context);

}  // namespace holdfast::trust
