// Whether a plan may be obeyed: the ordered table of checks of docs/protocol.md#order-of-checks.
// Pure: no I/O, no clock of its own, the same answer for the same input; so the agent and the
// restore helper can each ask it, each with its own memory of plans.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/trust/fresh.h"
#include "common/trust/local_policy.h"
#include "common/trust/replay_guard.h"
#include "common/trust/root_document.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::trust {

// What a verifier knows. Everything is borrowed and must outlive the call.
struct PlanContext {
  const RootDocument& root;
  const AgentIdentity& agent;
  std::uint64_t epoch_highest = 0;  // of all controllers that were ever believed
  WallTime now{};
  Freshness freshness;
  const ReplayGuard& guard;
  const LocalPolicy& policy;
};

struct Refusal {
  std::string check;  // its name in the table
  std::string message;
  std::string hint;
  // A restore that lacks nothing but a recent answer of the controller: ask, then check again.
  bool fresh_answer_helps = false;
};

// What is known of a plan after the checks, as far as they came.
struct CheckedPlan {
  // None: the plan is to be obeyed, unless known_already.
  std::optional<Refusal> refusal;
  // Accepted before with the same bytes; answer with what became of it and start nothing. Holds
  // whatever has changed since: such a plan is not refused for its age, or an epoch that went on.
  bool known_already = false;
  // The checks `size` to `node` passed: a controller means it for this node. Without it `plan` may
  // be empty, and what it says is nobody's word.
  bool is_authentic = false;
  v1::Plan plan;  // empty unless a controller has signed it
  v1::OrderKind kind = v1::ORDER_KIND_UNSPECIFIED;
  Bytes payload;                       // as signed; empty when the bytes are no envelope
  std::optional<crypto::Digest> hash;  // SHA-256 of the payload, when there is one
  crypto::KeyId controller_key{};
  std::vector<std::string> operators;  // persons who stand for it, each once
};

CheckedPlan CheckPlan(ByteView envelope, const PlanContext& context);

}  // namespace holdfast::trust
