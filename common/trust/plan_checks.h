// The table behind CheckPlan (plan_verifier.h): one row per check of
// docs/protocol.md#order-of-checks. Of interest to who adds a check, and to the tests that take one
// out.
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

// One plan on its way through the table. Reads envelope and plan when they are first asked for, so
// it is the table's order that keeps a payload unread until its signature was verified.
class Examination {
 public:
  // Both must outlive the object.
  Examination(ByteView bytes, const PlanContext& context) : bytes_(bytes), context_(context) {}

  ByteView bytes() const { return bytes_; }
  const PlanContext& context() const { return context_; }

  // What could be read of it, even when ...Form() says that it is not as it must be.
  const Envelope& envelope();
  Result<void> EnvelopeForm();
  const v1::Plan& plan();
  Result<void> PlanForm();
  v1::OrderKind kind() { return KindOf(plan()); }
  // Of the envelope's payload.
  const crypto::Digest& hash();
  // What the guard says of the plan.
  ReplayVerdict Replay();

  // What checks found out, for those after them.
  std::optional<crypto::KeyId> controller_key;
  std::vector<std::string> operators;
  bool fresh_answer_helps = false;

  // All that is known by now, for whoever asked.
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

std::span<const PlanCheck> PlanChecks();

// Runs the checks in order and stops at the first that refuses.
CheckedPlan RunPlanChecks(std::span<const PlanCheck> checks, ByteView envelope,
                          const PlanContext& context);

}  // namespace holdfast::trust
