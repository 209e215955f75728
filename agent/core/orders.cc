#include "agent/core/orders.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "common/base/format.h"
#include "common/base/result.h"
#include "common/crypto/sha256.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {
namespace {

constexpr std::int64_t kRememberEndedMs = 48 * 3'600'000LL;
constexpr std::int64_t kForgetRetryMs = 3'600'000;
constexpr std::size_t kRefusedMax = 1'000;
constexpr std::size_t kEarlyCutsMax = 1'000;

}  // namespace

Orders::Orders(StepContext& step, IdentityState& identity, Plans& plans, Session& session,
               Reports& reports, Parts& parts, Tasks& tasks)
    : step_(step),
      identity_(identity),
      plans_(plans),
      session_(session),
      reports_(reports),
      parts_(parts),
      tasks_(tasks) {}

void Orders::Resume() {
  // Cuts and ends first, because they affect the plans that begin after them.
  for (bool is_first : {true, false}) {
    for (auto& [id, plan] : plans_.all()) {
      const OrderKind kind = plan.record.kind;
      if (is_first) plans_.SetTimers(plan);
      if (is_first && kind == OrderKind::kCut && plan.record.state == PlanState::kEnded) {
        // The other nodes have cut long ago, so a restarted backup does not wait for an order.
        const std::optional<v1::Plan> message = MessageOf(plan);
        Plan* backup = message ? plans_.Find(ToBytes(message->cut().backup_plan_id())) : nullptr;
        if (backup != nullptr) backup->is_cut_ordered = true;
      }
      const bool begins_first = kind == OrderKind::kCut || kind == OrderKind::kEnd;
      if (begins_first != is_first || plan.record.state != PlanState::kAccepted) continue;
      if (std::optional<v1::Plan> message = MessageOf(plan)) Begin(plan, *message, true);
    }
  }
}

CheckResult Orders::Check(const Bytes& envelope) const {
  const IdentityRecord& identity = identity_.record();
  return step_.trust.Check(envelope, {.now = step_.now,
                                      .t_max_ms = identity.t_max_ms,
                                      .epoch = identity.epoch,
                                      .incarnation = identity.incarnation,
                                      .freshness = session_.freshness(),
                                      .replay = &plans_});
}

bool Orders::IsKnown(const CheckResult& checked) const {
  return checked.is_authentic && plans_.Judge(checked) == trust::ReplayVerdict::kKnown;
}

void Orders::Take(const Bytes& envelope) {
  CheckResult checked = Check(envelope);
  if (IsKnown(checked)) {
    // Only send its reports again, with all others that are not taken.
    reports_.SendAgain();
    return;
  }
  if (checked.refusal && checked.refusal->check == "operators" &&
      step_.HasBug(PlantedBug::kObeyWithoutOperators)) {
    checked.refusal.reset();
  }
  if (!checked.refusal) {
    Accept(envelope, checked);
    return;
  }
  if (std::ranges::find(parked_, envelope, &Parked::envelope) != parked_.end()) return;
  if (!checked.refusal->fresh_answer_helps || parked_.size() >= step_.options.parked_max) {
    Refuse(envelope, checked);
    return;
  }
  const std::int64_t until_ms = step_.now.boot_ms + step_.options.fresh_wait_ms;
  parked_.push_back({envelope, until_ms});
  step_.deadlines.SetSooner({TimerKind::kParked, ""}, until_ms);
  session_.SayHello();
}

void Orders::RetryParked() {
  for (Parked& one : std::exchange(parked_, {})) {
    const std::optional<FreshAnswer>& freshness = session_.freshness();
    const bool is_answered =
        freshness && freshness->asked_boot_ms >= one.until_ms - step_.options.fresh_wait_ms;
    if (!is_answered && step_.now.boot_ms < one.until_ms) {
      step_.deadlines.SetSooner({TimerKind::kParked, ""}, one.until_ms);
      parked_.push_back(std::move(one));
      continue;
    }
    const CheckResult checked = Check(one.envelope);
    if (IsKnown(checked)) continue;
    if (checked.refusal) {
      Refuse(one.envelope, checked);
    } else {
      Accept(one.envelope, checked);
    }
  }
}

void Orders::Accept(const Bytes& envelope, const CheckResult& checked) {
  v1::Plan message;
  HF_CHECK(
      message.ParseFromArray(checked.payload.data(), static_cast<int>(checked.payload.size())));
  Plan& plan = plans_.Add(checked, PlanState::kAccepted, envelope);
  identity_.RaiseEpoch(checked.epoch);
  v1::Report report = ReportOf(plan, 0);
  report.mutable_accepted();
  reports_.Add(std::move(report));
  Begin(plan, message, false);
}

void Orders::Refuse(const Bytes& envelope, const CheckResult& checked) {
  const crypto::Digest digest = crypto::Sha256Of(envelope);
  Bytes hash(digest.begin(), digest.end());
  if (refused_.contains(hash)) return;
  if (step_.now.boot_ms - refusals_since_ms_ >= 60'000) {
    refusals_since_ms_ = step_.now.boot_ms;
    refusals_ = 0;
  }
  // Unsigned plans must not fill the journal.
  if (!checked.is_authentic && ++refusals_ > step_.options.refusals_per_minute) return;
  if (refused_.size() >= kRefusedMax) refused_.clear();
  refused_.insert(std::move(hash));

  const trust::Refusal& refusal = *checked.refusal;
  v1::Report report;
  if (checked.plan_id.size() == 16) report.set_plan_id(std::string(AsText(checked.plan_id)));
  if (checked.hash) report.set_plan_hash(std::string(AsText(*checked.hash)));
  report.set_run(checked.run);
  report.mutable_refused()->set_check(refusal.check);
  report.mutable_refused()->set_message(refusal.message);
  report.mutable_refused()->set_hint(refusal.hint);
  // Recorded as refused, so that it is never executed, whatever changes later.
  if (checked.is_authentic && plans_.Judge(checked) == trust::ReplayVerdict::kNew)
    plans_.Add(checked, PlanState::kRefused, {});
  reports_.Add(std::move(report));
  step_.Warn(fmt::format("refused a plan by the check \"{}\": {}", refusal.check, refusal.message));
}

void Orders::Begin(Plan& plan, const v1::Plan& message, bool is_resumed) {
  switch (plan.record.kind) {
    case OrderKind::kBackup:
      BeginBackup(plan, message, is_resumed);
      break;
    case OrderKind::kCut:
      BeginCut(plan, message);
      break;
    case OrderKind::kEnd:
      BeginEnd(plan, message);
      break;
    default:
      BeginSingle(plan, message, is_resumed);
      break;
  }
}

void Orders::BeginBackup(Plan& plan, const v1::Plan& message, bool is_resumed) {
  const Bytes& id = plan.record.plan_id;
  plan.cut_wait_ms = message.backup().cut_wait_ms();
  plan.splay_ms = message.backup().splay_ms();
  // The cut order may have arrived before the backup order.
  if (early_cuts_.erase(id) > 0) plan.is_cut_ordered = true;
  for (int i = 0; i < message.backup().tasks_size(); ++i) {
    const v1::BackupTask& order = message.backup().tasks(i);
    const TaskKey key{id, static_cast<std::uint32_t>(i)};
    if (tasks_.HasEnded(key)) continue;
    ++plan.open_tasks;
    tasks_.Open({.key = key,
                 .plan = &plan,
                 .kind = OrderKind::kBackup,
                 .run = plan.record.run,
                 .source = order.source(),
                 .repository = order.repository(),
                 .scope = ScopeOf({.data = order.data(),
                                   .rest = order.shards() == v1::SHARDS_REST,
                                   .sharded = order.shards() != v1::SHARDS_UNSPECIFIED,
                                   .compose = order.compose()}),
                 .round = order.round(),
                 .start_after_ms = order.start_after_ms(),
                 .host = identity_.record().node,
                 .is_resumed = is_resumed});
  }
  if (plan.open_tasks == 0) {
    plans_.End(plan);
  } else {
    CancelIfRunEnded(plan);
  }
}

void Orders::BeginCut(Plan& plan, const v1::Plan& message) {
  const Bytes target = ToBytes(message.cut().backup_plan_id());
  if (Plan* backup = plans_.Find(target)) {
    backup->is_cut_ordered = true;
    for (auto& [key, task] : tasks_.all()) {
      if (key.plan_id == target && task.phase == Phase::kPrepared && !task.is_stopping)
        tasks_.Cut(task, true);
    }
  } else if (early_cuts_.size() < kEarlyCutsMax) {
    // The cut order has overtaken its backup order.
    early_cuts_.insert(target);
  }
  plans_.End(plan);
}

void Orders::BeginEnd(const Plan& plan, const v1::Plan& message) {
  const std::string run = plan.record.run;
  tasks_.EndRun({run, message.end().cancelled(), step_.now.wall_ms + kRememberEndedMs});
  tasks_.StopIf([&](const Task& task) { return task.run == run; }, "cancelled");
  tasks_.CheckEnds(run);
}

void Orders::BeginSingle(Plan& plan, const v1::Plan& message, bool is_resumed) {
  const TaskKey key{plan.record.plan_id, 0};
  if (tasks_.HasEnded(key)) {
    plans_.End(plan);
    return;
  }
  plan.open_tasks = 1;
  Task task{.key = key,
            .plan = &plan,
            .kind = plan.record.kind,
            .run = plan.record.run,
            .is_resumed = is_resumed};
  switch (task.kind) {
    case OrderKind::kCompose:
      task.source = message.compose().source();
      task.repository = message.compose().repository();
      task.host = message.compose().host();
      break;
    case OrderKind::kVerify:
      task.repository = message.verify().repository();
      break;
    case OrderKind::kInventory:
      task.repository = message.inventory().repository();
      break;
    case OrderKind::kRestore:
    case OrderKind::kRestoreInPlace:
      task.source = message.restore().source();
      task.repository = message.restore().repository();
      break;
    default:
      break;
  }
  tasks_.Open(std::move(task));
  CancelIfRunEnded(plan);
}

void Orders::CancelIfRunEnded(const Plan& plan) {
  if (!tasks_.HasEndedRun(plan.record.run)) return;
  tasks_.StopIf([&](const Task& task) { return task.plan == &plan; }, "cancelled");
  tasks_.CheckEnds(plan.record.run);
}

void Orders::Expire(const Bytes& plan_id) {
  const Plan* plan = plans_.Find(plan_id);
  if (plan == nullptr) return;
  const bool is_compose = plan->record.kind == OrderKind::kCompose;
  if (is_compose && step_.HasBug(PlantedBug::kComposeAfterExpiry)) return;
  tasks_.StopIf([&](const Task& task) { return task.plan == plan; }, "timed_out");
  parts_.ReleaseIf([&](const UncomposedPartRecord& part) {
    return part.plan_id == plan_id && tasks_.Find({part.plan_id, part.task}) == nullptr &&
           !parts_.MayLand(part.run);
  });
}

void Orders::Forget(const Bytes& plan_id) {
  const Plan* plan = plans_.Find(plan_id);
  if (plan == nullptr) return;
  const bool is_at_work =
      std::ranges::any_of(tasks_.all(), [&](const auto& one) { return one.second.plan == plan; });
  if (is_at_work) {
    step_.SetTimer(TimerKind::kForget, kForgetRetryMs, std::string(AsText(plan_id)));
    return;
  }
  const std::string run = plan->record.run;
  plans_.Forget(*plan);
  tasks_.ForgetPlan(plan_id);
  parts_.ForgetPlan(plan_id);
  if (plans_.HasRun(run)) return;
  parts_.RemoveSealedOf(run);
  tasks_.ForgetRun(run);
}

}  // namespace holdfast::agent
