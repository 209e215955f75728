// The signed plans of open runs: numbered, signed, sent, and sent again until their agents answer.
// Knows what a plan is for only by its kind.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "common/base/bytes.h"
#include "controller/core/cluster.h"
#include "controller/core/records.h"
#include "controller/core/step_context.h"

namespace holdfast::v1 {
class Plan;
}

namespace holdfast::controller {

struct Plan {
  PlanRecord record;
  std::vector<std::uint32_t> tasks;  // numbers in its run, by index in the order
  std::int64_t resend_ms = 0;
  // Reports that have been taken: the agent accepts or refuses the plan once, and reports one
  // outcome per task. An order without tasks counts as one task.
  bool has_answer = false;
  std::set<std::uint32_t> outcomes;  // by index in the order
};

// kInvalidArgument if an operator's note is too long. Every plan of the run contains the note.
Result<void> CheckNote(std::string_view note);
// kDenied if agents would refuse a plan that is signed now. An agent does not report the refusal,
// because it does not know whether the controller sent the plan. So the task would only wait.
Result<void> CheckCanOrder(const StepContext& step);

class Plans {
 public:
  Plans(StepContext& step, Cluster& cluster) : step_(step), cluster_(cluster) {}

  // Adds a stored plan. An unanswered one is resumed with Resume().
  void Load(const PlanRecord& record);
  // Schedules an unanswered plan's next sending. REQUIRES: the first step has begun.
  void Resume(const Plan& plan);

  // A plan for an order of this kind, with the agent's next sequence number. REQUIRES: add the
  // order and pass it to Sign().
  v1::Plan New(Agent& agent, const RunRecord& run, OrderKind kind, std::int64_t life_ms);
  // Signs the plan, stores it and sends it. The result is valid until Remove(). Does nothing and
  // returns null if the plan is too large.
  Plan* Sign(const v1::Plan& message, OrderKind kind);
  // The same for the very bytes that operators have signed. REQUIRES: `payload` encodes
  // `message` and is at most protocol::kPayloadBytesMax bytes.
  Plan& Sign(const v1::Plan& message, const Bytes& payload, OrderKind kind,
             const std::vector<Approval>& approvals);

  Plan* Find(const Bytes& id);
  Plan& At(const Bytes& id) { return plans_.at(id); }
  // The agent has answered, or the plan expired: it is not sent again. A refusal is final.
  void SetAnswered(Plan& plan, PlanState state);
  // Sends it again if it is still unanswered.
  void Resend(const Bytes& id);
  // Sends the agent all its unanswered plans.
  void ResendAll(const Agent& agent);
  void Remove(const Bytes& id);

 private:
  // Sends it if the agent has a session, and schedules the next time.
  void Send(Plan& plan);

  StepContext& step_;
  Cluster& cluster_;
  std::map<Bytes, Plan> plans_;
};

}  // namespace holdfast::controller
