#include "controller/core/plans.h"

#include <algorithm>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/protocol/limits.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::controller {
namespace {

constexpr std::string_view kPlanType = "application/vnd.holdfast.plan.v1";
constexpr std::size_t kNoteBytesMax = 4096;
constexpr std::size_t kPlansPerMessageBytes = 256 * 1024;

}  // namespace

Result<void> CheckNote(std::string_view note) {
  if (note.size() <= kNoteBytesMax) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("the note is {}; the limit is {}", FormatBytes(note.size()),
                          FormatBytes(kNoteBytesMax)),
              "shorten --note");
}

Result<void> CheckCanOrder(const StepContext& step) {
  Result<void> checked = step.trust().CheckOwnKey(step.now().wall_ms);
  if (checked) return {};
  return Fail(std::move(checked).error().While("agents would refuse this run"));
}

void Plans::Load(const PlanRecord& record) {
  Plan& plan = plans_[record.plan_id];
  plan.record = record;
  plan.has_answer = record.state == PlanState::kAccepted || record.state == PlanState::kRefused;
}

void Plans::Resume(const Plan& plan) {
  step_.SetTimer(TimerKind::kResend, step_.options().resend_first_ms,
                 std::string(AsText(plan.record.plan_id)));
}

v1::Plan Plans::New(Agent& agent, const RunRecord& run, OrderKind kind, std::int64_t life_ms) {
  Bytes plan_id(16);
  step_.random().Fill(plan_id);
  agent.record.plan_sequence =
      std::max(agent.record.plan_sequence + 1,
               static_cast<std::uint64_t>(std::max<std::int64_t>(0, step_.now().wall_ms)));
  step_.Put(PlanSequence{agent.record.node, agent.record.plan_sequence});
  v1::Plan plan;
  plan.set_plan_id(std::string(AsText(plan_id)));
  plan.set_cluster_id(cluster_.record().cluster_id);
  plan.set_node(agent.record.node);
  plan.set_incarnation(agent.record.incarnation);
  plan.set_sequence(agent.record.plan_sequence);
  plan.set_issued_at_ms(step_.now().wall_ms);
  plan.set_not_before_ms(step_.now().wall_ms);
  plan.set_expires_at_ms(step_.now().wall_ms + life_ms);
  plan.set_controller_epoch(cluster_.record().epoch);
  plan.set_run(run.run);
  plan.set_requester(run.requester);
  plan.set_reason(run.reason);
  plan.set_order_name(std::string(OrderKindName(kind)));
  return plan;
}

Plan* Plans::Sign(const v1::Plan& message, OrderKind kind) {
  const Bytes payload = ToBytes(message.SerializeAsString());
  return payload.size() > protocol::kPayloadBytesMax ? nullptr : &Sign(message, payload, kind, {});
}

Plan& Plans::Sign(const v1::Plan& message, const Bytes& payload, OrderKind kind,
                  const std::vector<Approval>& approvals) {
  const crypto::Digest hash = crypto::Sha256Of(payload);
  PlanRecord record{.plan_id = ToBytes(message.plan_id()),
                    .run = message.run(),
                    .node = message.node(),
                    .incarnation = message.incarnation(),
                    .sequence = message.sequence(),
                    .kind = kind,
                    .state = PlanState::kSent,
                    .issued_ms = message.issued_at_ms(),
                    .expires_ms = message.expires_at_ms(),
                    .hash = Bytes(hash.begin(), hash.end()),
                    .envelope = step_.trust().Sign(kPlanType, payload, approvals)};
  step_.Put(record);
  step_.Audit("plan.signed", "controller", record.node, record.run,
              {{"plan", HexEncode(record.plan_id)}, {"kind", std::string(OrderKindName(kind))}},
              record.envelope);
  cluster_.At(record.node).unanswered.insert(record.plan_id);
  Plan& plan = plans_[record.plan_id];
  plan.record = std::move(record);
  Send(plan);
  return plan;
}

void Plans::Send(Plan& plan) {
  const bool is_cut = plan.record.kind == OrderKind::kCut;
  if (step_.now().wall_ms > plan.record.expires_ms && plan.resend_ms != 0) return;
  plan.resend_ms =
      plan.resend_ms == 0
          ? (is_cut ? step_.options().cut_resend_first_ms : step_.options().resend_first_ms)
          : std::min(2 * plan.resend_ms, step_.options().resend_max_ms);
  if (step_.options().planted_bug != PlantedBug::kNoResend) {
    step_.SetTimer(TimerKind::kResend, plan.resend_ms, std::string(AsText(plan.record.plan_id)));
  }
  const Agent& agent = cluster_.At(plan.record.node);
  if (agent.record.incarnation != plan.record.incarnation)
    return;  // it was meant for an earlier incarnation of the node
  v1::ControllerMessage message;
  message.mutable_plans()->add_envelopes(std::string(AsText(plan.record.envelope)));
  cluster_.Send(agent, message);
}

Plan* Plans::Find(const Bytes& id) {
  const auto found = plans_.find(id);
  return found == plans_.end() ? nullptr : &found->second;
}

void Plans::Resend(const Bytes& id) {
  Plan* plan = Find(id);
  if (plan != nullptr && plan->record.state == PlanState::kSent) Send(*plan);
}

void Plans::ResendAll(const Agent& agent) {
  if (step_.options().planted_bug == PlantedBug::kNoResend) return;
  v1::ControllerMessage message;
  std::size_t size = 0;
  for (const Bytes& id : agent.unanswered) {
    const Plan& plan = plans_.at(id);
    if (plan.record.expires_ms < step_.now().wall_ms) continue;
    if (size > 0 && size + plan.record.envelope.size() > kPlansPerMessageBytes) {
      cluster_.Send(agent, message);
      message.Clear();
      size = 0;
    }
    size += plan.record.envelope.size();
    message.mutable_plans()->add_envelopes(std::string(AsText(plan.record.envelope)));
  }
  if (size > 0) cluster_.Send(agent, message);
}

void Plans::SetAnswered(Plan& plan, PlanState state) {
  if (plan.record.state == state) return;
  if (plan.record.state == PlanState::kRefused) return;  // a refusal is final
  plan.record.state = state;
  plan.record.envelope.clear();  // the catalog has it, and it is not sent again
  plan.record.envelope.shrink_to_fit();
  step_.Put(PlanAnswered{plan.record.plan_id, state});
  const std::string name(AsText(plan.record.plan_id));
  step_.CancelTimer(TimerKind::kResend, name);
  step_.CancelTimer(TimerKind::kExpire, name);
  if (Agent* agent = cluster_.Find(plan.record.node)) agent->unanswered.erase(plan.record.plan_id);
}

void Plans::Remove(const Bytes& id) {
  if (Agent* agent = cluster_.Find(plans_.at(id).record.node)) agent->unanswered.erase(id);
  step_.CancelTimer(TimerKind::kResend, std::string(AsText(id)));
  plans_.erase(id);
}

}  // namespace holdfast::controller
