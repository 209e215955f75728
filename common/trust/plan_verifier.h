// Whether an agent may obey a plan: the ordered table of checks of
// docs/protocol.md#order-of-checks. Pure: no I/O, no clock, the same answer for the same input. So
// the agent and the restore helper can each call it, with separate records of known plans.
//
// This room decides who may order what. An envelope (envelope.h) carries signed bytes,
// root_document.h says which keys count, orders.h and plan_checks.h say what a plan may contain,
// replay_guard.h remembers executed plans. No code here sends, stores or executes anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/trust/fresh.h"
#include "common/trust/local_policy.h"
#include "common/trust/refusal.h"
#include "common/trust/replay_guard.h"
#include "common/trust/root_document.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::trust {

// Input of a verifier. Everything is borrowed and must outlive the call.
struct PlanContext {
  const RootDocument& root;
  const AgentIdentity& agent;
  std::uint64_t epoch_highest = 0;  // of all controllers ever accepted
  WallTime now{};
  Freshness freshness;
  const ReplayGuard& guard;
  const LocalPolicy& policy;
};

// What is known of a plan, as far as the checks got.
struct CheckedPlan {
  // nullopt: obey the plan, unless is_known.
  std::optional<Refusal> refusal;
  // The same bytes were judged before: send the reports again and start nothing. Such a plan is not
  // refused, even if it has expired or the epoch has changed.
  bool is_known = false;
  // The checks `size` to `node` passed: a controller made the plan for this node. Otherwise `plan`
  // may be empty, and nothing in it can be trusted.
  bool is_authentic = false;
  v1::Plan plan;  // empty unless signed by a controller
  v1::OrderKind kind = v1::ORDER_KIND_UNSPECIFIED;
  Bytes payload;                       // as signed; empty if the bytes are not an envelope
  std::optional<crypto::Digest> hash;  // SHA-256 of the payload, if any
  crypto::KeyId controller_key{};
  std::vector<std::string> operators;  // persons with a valid signature, each once
};

CheckedPlan CheckPlan(ByteView envelope, const PlanContext& context);

// Whether an order may name `path`, which is below a snapshot's top or a restore root: relative, at
// most 4096 bytes, of components with 1 to 255 bytes, none of them "." or "..", and without NUL.
bool IsPlainRelativePath(std::string_view path);

}  // namespace holdfast::trust
