#include "agent/core/plans.h"

#include <algorithm>
#include <string>

#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::agent {
namespace {

using trust::ReplayVerdict;

constexpr std::int64_t kPlanLifeMaxMs = 24 * 3'600'000LL;

}  // namespace

std::optional<v1::Plan> MessageOf(const Plan& plan) {
  // The journal's envelopes were verified before they were stored.
  v1::Envelope envelope;
  v1::Plan message;
  if (!envelope.ParseFromArray(plan.record.envelope.data(),
                               static_cast<int>(plan.record.envelope.size())) ||
      !message.ParseFromString(envelope.payload())) {
    return std::nullopt;
  }
  return message;
}

v1::Report ReportOf(const Plan& plan, std::uint32_t task) {
  v1::Report report;
  report.set_plan_id(std::string(AsText(plan.record.plan_id)));
  report.set_plan_hash(std::string(AsText(plan.record.hash)));
  report.set_run(plan.record.run);
  report.set_task(task);
  return report;
}

Plans::Plans(const Loaded& loaded, StepContext& step) : step_(step) {
  for (const FloorRecord& floor : loaded.floors) floors_[floor.key_id] = floor.sequence;
  for (const PlanRecord& record : loaded.plans) {
    plans_[record.plan_id].record = record;
    by_sequence_[{record.key_id, record.sequence}] = record.plan_id;
  }
}

ReplayVerdict Plans::Judge(const crypto::KeyId& key_id, ByteView plan_id, std::uint64_t sequence,
                           const crypto::Digest& hash) const {
  const Bytes key(key_id.begin(), key_id.end());
  auto plan = plans_.find(Bytes(plan_id.begin(), plan_id.end()));
  if (plan != plans_.end()) {
    const bool is_same = std::ranges::equal(plan->second.record.hash, hash) &&
                         plan->second.record.key_id == key &&
                         plan->second.record.sequence == sequence;
    return is_same ? ReplayVerdict::kKnown : ReplayVerdict::kOtherBytes;
  }
  if (by_sequence_.contains({key, sequence})) return ReplayVerdict::kOtherBytes;
  auto floor = floors_.find(key);
  return floor != floors_.end() && sequence <= floor->second ? ReplayVerdict::kBelowFloor
                                                             : ReplayVerdict::kNew;
}

ReplayVerdict Plans::Judge(const CheckResult& checked) const {
  return Judge(checked.key_id, checked.plan_id, checked.sequence, *checked.hash);
}

Plan* Plans::Find(const Bytes& plan_id) {
  auto found = plans_.find(plan_id);
  return found == plans_.end() ? nullptr : &found->second;
}

bool Plans::HasRun(const std::string& run) const {
  return std::ranges::any_of(plans_, [&](const auto& one) { return one.second.record.run == run; });
}

Plan& Plans::Add(const CheckResult& checked, PlanState state, const Bytes& envelope) {
  Plan& plan = plans_[checked.plan_id];
  plan.record = {.plan_id = checked.plan_id,
                 .key_id = ToBytes(AsText(checked.key_id)),
                 .sequence = checked.sequence,
                 .hash = ToBytes(AsText(*checked.hash)),
                 .kind = checked.kind,
                 .state = state,
                 .run = checked.run,
                 .accepted_ms = step_.now.wall_ms,
                 .expires_ms = checked.expires_ms,
                 .envelope = envelope};
  by_sequence_[{plan.record.key_id, checked.sequence}] = checked.plan_id;
  SetTimers(plan);
  PutRecord(plan.record);
  return plan;
}

void Plans::SetTimers(const Plan& plan) {
  const std::string name(AsText(plan.record.plan_id));
  const std::int64_t left_ms =
      std::clamp<std::int64_t>(plan.record.expires_ms - step_.now.wall_ms, 0, kPlanLifeMaxMs);
  // Parts may outlive the plan's end. Their locks are released when it expires, at the latest.
  step_.SetTimer(TimerKind::kExpire, left_ms, name);
  step_.SetTimer(TimerKind::kForget, left_ms + step_.options.forget_after_ms, name);
}

void Plans::End(Plan& plan) {
  plan.record.state = PlanState::kEnded;
  // A cut order must survive a crash, for backups that restart then.
  if (plan.record.kind != OrderKind::kCut) plan.record.envelope.clear();
  PutRecord(plan.record);
}

void Plans::Forget(const Plan& plan) {
  const Bytes plan_id = plan.record.plan_id;
  std::uint64_t& floor = floors_[plan.record.key_id];
  floor = std::max(floor, plan.record.sequence);
  step_.Put(FloorRecord{plan.record.key_id, floor});
  step_.Put(ForgetPlan{plan_id});
  by_sequence_.erase({plan.record.key_id, plan.record.sequence});
  plans_.erase(plan_id);
}

void Plans::PutRecord(const PlanRecord& record) {
  const bool is_dropped =
      record.state != PlanState::kRefused && step_.HasBug(PlantedBug::kForgetPlans);
  if (!is_dropped) step_.Put(record);
}

}  // namespace holdfast::agent
