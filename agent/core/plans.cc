// Orders: verified, durable before they have any effect, remembered as long as they can be
// replayed.
#include <algorithm>

#include "agent/core/machine.h"
#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::agent {
namespace {

constexpr std::int64_t kPlanLifeMaxMs = 24 * 3'600'000LL;
constexpr std::int64_t kRememberEndedMs = 48 * 3'600'000LL;
constexpr std::size_t kRefusedMax = 1'000;
constexpr std::size_t kEarlyCutsMax = 1'000;

}  // namespace

void Machine::TakePlan(const Bytes& envelope) {
  CheckContext context{.now = now_,
                       .t_max_ms = identity_.t_max_ms,
                       .epoch = identity_.epoch,
                       .incarnation = identity_.incarnation,
                       .freshness = freshness_,
                       .replay = this};
  CheckedPlan checked = trust_.Check(envelope, context);
  if (checked.authentic &&
      Judge(checked.key_id, checked.plan_id, checked.sequence, checked.hash) == Verdict::kKnown) {
    // Already known: only send its reports again, with all others that are not taken.
    reports_sent_ = 0;
    SendReports();
    return;
  }
  if (checked.refusal && checked.refusal->check == "operators" &&
      options_.planted_bug == PlantedBug::kObeyWithoutOperators) {
    checked.refusal.reset();
  }
  if (!checked.refusal) {
    Accept(envelope, checked);
    return;
  }
  const bool is_parked = std::ranges::find(parked_, envelope, &Parked::envelope) != parked_.end();
  if (checked.refusal->fresh_answer_helps && !is_parked && parked_.size() < options_.parked_max) {
    parked_.push_back({envelope, now_.boot_ms + options_.fresh_wait_ms});
    deadlines_.SetSooner({TimerKind::kParked, ""}, now_.boot_ms + options_.fresh_wait_ms);
    SayHello();
    return;
  }
  if (is_parked) return;  // still waiting for a fresh answer
  Refuse(envelope, checked);
}

// Checks parked plans again that got a fresh answer or have waited long enough.
void Machine::RetryParked() {
  std::vector<Parked> waiting = std::move(parked_);
  parked_.clear();
  for (Parked& one : waiting) {
    const bool is_answered =
        freshness_ && freshness_->asked_boot_ms >= one.until_ms - options_.fresh_wait_ms;
    if (!is_answered && now_.boot_ms < one.until_ms) {
      parked_.push_back(std::move(one));
      continue;
    }
    CheckContext context{.now = now_,
                         .t_max_ms = identity_.t_max_ms,
                         .epoch = identity_.epoch,
                         .incarnation = identity_.incarnation,
                         .freshness = freshness_,
                         .replay = this};
    const CheckedPlan checked = trust_.Check(one.envelope, context);
    const bool is_known =
        checked.authentic &&
        Judge(checked.key_id, checked.plan_id, checked.sequence, checked.hash) == Verdict::kKnown;
    if (is_known) continue;
    if (checked.refusal) {
      Refuse(one.envelope, checked);
    } else {
      Accept(one.envelope, checked);
    }
  }
  for (const Parked& one : parked_) deadlines_.SetSooner({TimerKind::kParked, ""}, one.until_ms);
}

void Machine::Refuse(const Bytes& envelope, const CheckedPlan& checked) {
  const crypto::Digest digest = crypto::Sha256Of(envelope);
  Bytes hash(digest.begin(), digest.end());
  if (refused_.contains(hash)) return;
  if (now_.boot_ms - refusals_since_ms_ >= 60'000) {
    refusals_since_ms_ = now_.boot_ms;
    refusals_ = 0;
  }
  // Unsigned plans must not fill the journal.
  if (!checked.authentic && ++refusals_ > options_.refusals_per_minute) return;
  if (refused_.size() >= kRefusedMax) refused_.clear();
  refused_.insert(std::move(hash));

  v1::Report report;
  if (checked.plan_id.size() == 16) report.set_plan_id(std::string(AsText(checked.plan_id)));
  report.set_plan_hash(std::string(AsText(checked.hash)));
  report.set_run(checked.run);
  report.mutable_refused()->set_check(checked.refusal->check);
  report.mutable_refused()->set_message(checked.refusal->message);
  report.mutable_refused()->set_hint(checked.refusal->hint);
  const bool is_new = checked.authentic && Judge(checked.key_id, checked.plan_id, checked.sequence,
                                                 checked.hash) == Verdict::kNew;
  if (is_new) {
    // Recorded as refused, so that it is never executed, whatever changes later.
    Plan& plan = plans_[checked.plan_id];
    plan.record = {.plan_id = checked.plan_id,
                   .key_id = checked.key_id,
                   .sequence = checked.sequence,
                   .hash = checked.hash,
                   .kind = checked.kind,
                   .state = PlanState::kRefused,
                   .run = checked.run,
                   .accepted_ms = now_.wall_ms,
                   .expires_ms = checked.expires_ms};
    by_sequence_[{checked.key_id, checked.sequence}] = checked.plan_id;
    SetTimers(plan);
    Put(plan.record);
  }
  Report(std::move(report));
  Perform(action::Note{fmt::format("refused a plan by the check \"{}\": {}", checked.refusal->check,
                                   checked.refusal->message),
                       true});
}

void Machine::Accept(const Bytes& envelope, const CheckedPlan& checked) {
  v1::Plan message;
  HF_CHECK(
      message.ParseFromArray(checked.payload.data(), static_cast<int>(checked.payload.size())));
  PlanRecord record{.plan_id = checked.plan_id,
                    .key_id = checked.key_id,
                    .sequence = checked.sequence,
                    .hash = checked.hash,
                    .kind = checked.kind,
                    .state = PlanState::kAccepted,
                    .run = checked.run,
                    .accepted_ms = now_.wall_ms,
                    .expires_ms = checked.expires_ms,
                    .envelope = envelope};
  if (options_.planted_bug != PlantedBug::kForgetPlans) Put(record);
  if (checked.epoch > identity_.epoch) {
    identity_.epoch = checked.epoch;
    PutIdentity();
  }
  by_sequence_[{checked.key_id, checked.sequence}] = checked.plan_id;
  Plan& plan = plans_[checked.plan_id];
  plan.record = std::move(record);
  SetTimers(plan);
  v1::Report report = ReportOf(plan, 0);
  report.mutable_accepted();
  Report(std::move(report));
  Begin(plan, message, false);
}

void Machine::SetTimers(const Plan& plan) {
  const std::string name(AsText(plan.record.plan_id));
  const std::int64_t left_ms =
      std::clamp<std::int64_t>(plan.record.expires_ms - now_.wall_ms, 0, kPlanLifeMaxMs);
  // Parts may outlive the plan's end. Their locks are released when it expires, at the latest.
  deadlines_.Set({TimerKind::kExpire, name}, now_.boot_ms + left_ms);
  deadlines_.Set({TimerKind::kForget, name}, now_.boot_ms + left_ms + options_.forget_after_ms);
}

std::optional<v1::Plan> Machine::MessageOf(const Plan& plan) const {
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

v1::Report Machine::ReportOf(const Plan& plan, std::uint32_t task) const {
  v1::Report report;
  report.set_plan_id(std::string(AsText(plan.record.plan_id)));
  report.set_plan_hash(std::string(AsText(plan.record.hash)));
  report.set_run(plan.record.run);
  report.set_task(task);
  return report;
}

v1::Report Machine::ReportOf(const Task& task) const {
  v1::Report report = ReportOf(plans_.at(task.key.plan_id), task.key.task);
  report.set_source(task.source);
  report.set_repository(task.repository);
  return report;
}

void Machine::Begin(Plan& plan, const v1::Plan& message, bool resumed) {
  switch (plan.record.kind) {
    case OrderKind::kBackup:
      BeginBackup(plan, message, resumed);
      break;
    case OrderKind::kCut:
      BeginCut(plan, message);
      break;
    case OrderKind::kEnd:
      BeginEnd(plan, message);
      break;
    default:
      BeginSingle(plan, message, resumed);
      break;
  }
}

void Machine::BeginBackup(Plan& plan, const v1::Plan& message, bool resumed) {
  const Bytes& id = plan.record.plan_id;
  plan.cut_wait_ms = message.backup().cut_wait_ms();
  plan.splay_ms = message.backup().splay_ms();
  // The cut order may have arrived before the backup order.
  if (early_cuts_.erase(id) > 0) plan.is_cut_ordered = true;
  const bool has_ended = ended_runs_.contains(plan.record.run);
  for (int i = 0; i < message.backup().tasks_size(); ++i) {
    const v1::BackupTask& order = message.backup().tasks(i);
    const TaskKey key{id, static_cast<std::uint32_t>(i)};
    if (ended_tasks_.contains(key)) continue;
    ++plan.open_tasks;
    Task& task = tasks_[key];
    task = {.key = key,
            .kind = OrderKind::kBackup,
            .run = plan.record.run,
            .source = order.source(),
            .repository = order.repository(),
            .data = order.data(),
            .rest = order.shards() == v1::SHARDS_REST,
            .compose = order.compose(),
            .round = order.round(),
            .start_after_ms = order.start_after_ms(),
            .host = identity_.node,
            .resumed = resumed};
    progress_dirty_.insert(key);
    is_progress_due_ = true;
  }
  if (plan.open_tasks == 0) {
    EndPlan(plan);
  } else if (has_ended) {
    const std::string run = plan.record.run;
    for (auto& [key, task] : std::map(tasks_)) {
      if (key.plan_id == id) Stop(tasks_.at(key), "cancelled");
    }
    CheckEnds(run);
  }
}

void Machine::BeginCut(Plan& plan, const v1::Plan& message) {
  const Bytes target = ToBytes(message.cut().backup_plan_id());
  auto backup = plans_.find(target);
  if (backup == plans_.end()) {
    // The cut order has overtaken its backup order.
    if (early_cuts_.size() < kEarlyCutsMax) early_cuts_.insert(target);
  } else {
    backup->second.is_cut_ordered = true;
    for (auto& [key, task] : tasks_) {
      if (key.plan_id != target || task.phase != Phase::kPrepared) continue;
      if (!task.is_stopping) Cut(task, true);
    }
  }
  EndPlan(plan);
}

void Machine::BeginEnd(Plan& plan, const v1::Plan& message) {
  const std::string run = plan.record.run;
  EndedRunRecord record{run, message.end().cancelled(), now_.wall_ms + kRememberEndedMs};
  ended_runs_[run] = record;
  Put(record);
  std::vector<TaskKey> keys;
  for (const auto& [key, task] : tasks_) {
    if (task.run == run) keys.push_back(key);
  }
  for (const TaskKey& key : keys) {
    if (Task* task = FindTask(key)) Stop(*task, "cancelled");
  }
  CheckEnds(run);
}

// Ends a run on this node once none of its tasks is active and its locks can be released.
void Machine::CheckEnds(const std::string& run) {
  if (!ended_runs_.contains(run)) return;
  for (const auto& [key, task] : tasks_) {
    if (task.run == run) return;
  }
  // A snapshot write from before a crash may still land, so its parts stay locked. kLanding checks
  // again.
  if (MayLand(run)) return;
  GiveBackParts(run);
  for (auto& [id, plan] : plans_) {
    if (plan.record.kind != OrderKind::kEnd || plan.record.run != run ||
        plan.record.state != PlanState::kAccepted) {
      continue;
    }
    v1::Report report = ReportOf(plan, 0);
    report.mutable_ended();
    Report(std::move(report));
    EndPlan(plan);
  }
}

void Machine::BeginSingle(Plan& plan, const v1::Plan& message, bool resumed) {
  const TaskKey key{plan.record.plan_id, 0};
  if (ended_tasks_.contains(key)) {
    EndPlan(plan);
    return;
  }
  plan.open_tasks = 1;
  Task& task = tasks_[key];
  task = {.key = key, .kind = plan.record.kind, .run = plan.record.run, .resumed = resumed};
  switch (plan.record.kind) {
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
  progress_dirty_.insert(key);
  is_progress_due_ = true;
  if (ended_runs_.contains(plan.record.run)) {
    const std::string run = plan.record.run;
    Stop(task, "cancelled");
    CheckEnds(run);
  }
}

void Machine::EndPlan(Plan& plan) {
  plan.record.state = PlanState::kEnded;
  // A cut order must survive a crash, for backups that restart then.
  if (plan.record.kind != OrderKind::kCut) plan.record.envelope.clear();
  if (options_.planted_bug != PlantedBug::kForgetPlans) Put(plan.record);
}

// The plan has expired: gives up unfinished tasks, and releases its parts.
void Machine::ExpirePlan(Plan& plan) {
  const bool is_compose = plan.record.kind == OrderKind::kCompose;
  if (is_compose && options_.planted_bug == PlantedBug::kComposeAfterExpiry) return;
  const Bytes id = plan.record.plan_id;
  std::vector<TaskKey> keys;
  for (const auto& [key, task] : tasks_) {
    if (key.plan_id == id) keys.push_back(key);
  }
  for (const TaskKey& key : keys) {
    if (Task* task = FindTask(key)) Stop(*task, "timed_out");
  }
  for (const auto& [key, part] : std::map(parts_)) {
    if (key.plan_id != id || tasks_.contains(key) || MayLand(part.run)) continue;
    Put(RemovePart{key.plan_id, key.task});
    Perform(action::ReleasePart{key, part.repository});
    parts_.erase(key);
  }
}

void Machine::ForgetPlanOf(const Bytes& plan_id) {
  auto found = plans_.find(plan_id);
  if (found == plans_.end()) return;
  Plan& plan = found->second;
  const bool is_at_work =
      std::ranges::any_of(tasks_, [&](const auto& one) { return one.first.plan_id == plan_id; });
  if (is_at_work) {
    deadlines_.Set({TimerKind::kForget, std::string(AsText(plan_id))}, now_.boot_ms + 3'600'000);
    return;
  }
  const std::string run = plan.record.run;
  std::uint64_t& floor = floors_[plan.record.key_id];
  floor = std::max(floor, plan.record.sequence);
  Put(FloorRecord{plan.record.key_id, floor});
  Put(ForgetPlan{plan_id});
  by_sequence_.erase({plan.record.key_id, plan.record.sequence});
  std::erase_if(ended_tasks_, [&](const auto& one) { return one.first.plan_id == plan_id; });
  for (const auto& [key, part] : std::map(parts_)) {
    if (key.plan_id != plan_id) continue;
    Perform(action::ReleasePart{key, part.repository});
    parts_.erase(key);
  }
  plans_.erase(found);
  const bool has_others =
      std::ranges::any_of(plans_, [&](const auto& one) { return one.second.record.run == run; });
  if (has_others) return;
  std::erase_if(sealed_, [&](const auto& one) {
    if (one.second.run != run) return false;
    Put(RemoveSealed{one.second.run, one.second.source, one.second.repository});
    return true;
  });
  if (ended_runs_.erase(run) > 0) Put(ForgetRun{run});
}

}  // namespace holdfast::agent
