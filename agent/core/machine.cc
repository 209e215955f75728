#include "agent/core/machine.h"

#include <algorithm>

#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {
namespace {

std::string SealedKey(const std::string& run, const std::string& source,
                      const std::string& repository) {
  return run + "\n" + source + "\n" + repository;
}

// No snapshot write is waited for longer, so none lands later.
constexpr std::int64_t kWriteMaxMs = 60'000;
constexpr std::int64_t kForgetReportsEveryMs = 24 * 3'600'000LL;

}  // namespace

Machine::Machine(const Options& options, const Loaded& loaded, Trust& trust, Random& random)
    : options_(options), trust_(trust), random_(random), identity_(loaded.identity) {
  for (const FloorRecord& floor : loaded.floors) floors_[floor.key_id] = floor.sequence;
  for (const PlanRecord& record : loaded.plans) {
    plans_[record.plan_id].record = record;
    by_sequence_[{record.key_id, record.sequence}] = record.plan_id;
  }
  for (const TaskRecord& record : loaded.tasks)
    ended_tasks_[{record.plan_id, record.task}] = record;
  for (const PartRecord& record : loaded.parts) parts_[{record.plan_id, record.task}] = record;
  if (options_.planted_bug != PlantedBug::kForgetSealed) {
    for (const SealedRecord& record : loaded.sealed) {
      sealed_[SealedKey(record.run, record.source, record.repository)] = record;
    }
  }
  for (const EndedRunRecord& record : loaded.ended_runs) ended_runs_[record.run] = record;
  reports_.assign(loaded.reports.begin(), loaded.reports.end());
  reports_taken_ = loaded.reports_taken;
  reports_oldest_ = loaded.reports_oldest;
}

Effects Machine::Step(const Time& now, const Event& event) {
  HF_CHECK(now.boot_ms >= now_.boot_ms || !is_started_);
  now_ = now;
  std::visit([this](const auto& one) { Handle(one); }, event);
  while (std::optional<Timer> due = deadlines_.PopDue(now_.boot_ms)) RunDeadline(*due);
  StartWaiting();
  StartSaving();
  SendProgress();
  if (is_identity_dirty_) {
    identity_.t_max_ms = std::max(identity_.t_max_ms, now_.wall_ms);
    Put(identity_);
    is_identity_dirty_ = false;
  }
  return std::move(effects_);
}

void Machine::Handle(const event::Started&) {
  HF_CHECK(!is_started_);
  is_started_ = true;
  process_id_.resize(16);
  random_.Fill(process_id_);
  deadlines_.Set({TimerKind::kForgetReports, ""}, now_.boot_ms + kForgetReportsEveryMs);

  HoldParts();
  for (const auto& [name, sealed] : sealed_) {
    landing_[sealed.run] = now_.boot_ms + kWriteMaxMs;
    deadlines_.Set({TimerKind::kLanding, sealed.run}, now_.boot_ms + kWriteMaxMs);
  }

  // Cuts and ends first, because they affect the plans that begin after them.
  for (bool is_backup : {false, true}) {
    for (auto& [id, plan] : plans_) {
      if (!is_backup) SetTimers(plan);
      if (plan.record.kind == OrderKind::kCut && plan.record.state == PlanState::kEnded &&
          !is_backup) {
        // The other nodes have cut long ago, so a restarted backup does not wait for an order.
        const std::optional<v1::Plan> message = MessageOf(plan);
        auto backup =
            message ? plans_.find(ToBytes(message->cut().backup_plan_id())) : plans_.end();
        if (backup != plans_.end()) backup->second.is_cut_ordered = true;
      }
      const bool later = plan.record.kind != OrderKind::kCut && plan.record.kind != OrderKind::kEnd;
      if (later != is_backup || plan.record.state != PlanState::kAccepted) continue;
      if (std::optional<v1::Plan> message = MessageOf(plan)) Begin(plan, *message, true);
    }
  }
  SayHello();
}

void Machine::Handle(const event::TimePassed&) {}

void Machine::RunDeadline(const Timer& timer) {
  const Bytes id = ToBytes(timer.second);
  switch (timer.first) {
    case TimerKind::kHello:
      SayHello();
      break;
    case TimerKind::kHeartbeat:
      Heartbeat();
      break;
    case TimerKind::kLease:
      if (now_.boot_ms - last_received_ms_ >= lease_ms_) {
        is_answered_ = false;
        SayHello();
      } else {
        deadlines_.Set(timer, last_received_ms_ + lease_ms_);
      }
      break;
    case TimerKind::kReports:
      report_resend_ms_ = std::min(2 * report_resend_ms_, options_.report_resend_max_ms);
      if (replay_until_ != 0 && is_answered_) Replay(replay_next_);
      reports_sent_ = 0;
      SendReports();
      break;
    case TimerKind::kProgress:
      is_progress_due_ = true;
      break;
    case TimerKind::kCutWait:
      for (auto& [key, task] : tasks_) {
        if (TimerName(key) == timer.second && task.phase == Phase::kPrepared) Cut(task, false);
      }
      break;
    case TimerKind::kStart:
      break;  // StartSaving() handles it
    case TimerKind::kExpire:
      if (auto plan = plans_.find(id); plan != plans_.end()) ExpirePlan(plan->second);
      break;
    case TimerKind::kForget:
      ForgetPlanOf(id);
      break;
    case TimerKind::kParked:
      RetryParked();
      break;
    case TimerKind::kHold:
      HoldParts();
      break;
    case TimerKind::kLanding:
      CheckEnds(timer.second);
      break;
    case TimerKind::kForgetReports:
      Put(ForgetReports{now_.wall_ms - options_.keep_reports_ms});
      deadlines_.Set(timer, now_.boot_ms + kForgetReportsEveryMs);
      break;
  }
}

std::uint64_t Machine::Below(std::uint64_t limit) {
  if (limit == 0) return 0;
  std::uint8_t bytes[8];
  random_.Fill(bytes);
  std::uint64_t value = 0;
  for (std::uint8_t byte : bytes) value = value << 8 | byte;
  return value % limit;
}

ReplayGuard::Verdict Machine::Judge(ByteView key_id, ByteView plan_id, std::uint64_t sequence,
                                    ByteView hash) const {
  const Bytes key(key_id.begin(), key_id.end());
  auto plan = plans_.find(Bytes(plan_id.begin(), plan_id.end()));
  auto same = by_sequence_.find({key, sequence});
  if (plan != plans_.end()) {
    const bool is_same = std::ranges::equal(plan->second.record.hash, hash) &&
                         plan->second.record.key_id == key &&
                         plan->second.record.sequence == sequence;
    return is_same ? Verdict::kKnown : Verdict::kOtherBytes;
  }
  if (same != by_sequence_.end()) return Verdict::kOtherBytes;
  auto floor = floors_.find(key);
  return floor != floors_.end() && sequence <= floor->second ? Verdict::kBelowFloor : Verdict::kNew;
}

std::vector<TaskStatus> Machine::Tasks() const {
  std::vector<TaskStatus> all;
  for (const auto& [key, task] : tasks_) {
    all.push_back({key, task.run, task.source, task.state, task.progress.phase});
  }
  return all;
}

// --- AgentCore

AgentCore::AgentCore(const Options& options, const Loaded& loaded, Trust& trust, Random& random)
    : machine_(std::make_unique<Machine>(options, loaded, trust, random)) {}
AgentCore::~AgentCore() = default;
Effects AgentCore::Step(const Time& now, const Event& event) { return machine_->Step(now, event); }
std::int64_t AgentCore::NextWake() const { return machine_->NextWake(); }
std::vector<TaskStatus> AgentCore::Tasks() const { return machine_->Tasks(); }
bool AgentCore::is_connected() const { return machine_->is_connected(); }

}  // namespace holdfast::agent
