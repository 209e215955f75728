// Execution of orders: prepare, cut, save, compose, and all other jobs.
#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/core/machine.h"
#include "common/base/format.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {
namespace {

constexpr std::int64_t kFreshEnoughMs = 60'000;

bool HoldsSource(Phase phase) {
  return phase == Phase::kPreparing || phase == Phase::kPrepared || phase == Phase::kCutting ||
         phase == Phase::kCut || phase == Phase::kSaving;
}

// The source's session is open, but no job is working on it.
bool IsIdle(Phase phase) { return phase == Phase::kPrepared || phase == Phase::kCut; }

std::string SealedKeyOf(const Task& task) {
  return task.run + "\n" + task.source + "\n" + task.repository;
}

template <typename Message>
Message Parsed(const Bytes& bytes) {
  Message message;
  (void)message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  return message;
}

}  // namespace

Task* Machine::FindTask(const TaskKey& key) {
  auto found = tasks_.find(key);
  return found == tasks_.end() ? nullptr : &found->second;
}

std::string Machine::TimerName(const TaskKey& key) const {
  return std::string(AsText(key.plan_id)) + "/" + std::to_string(key.task);
}

const SealedRecord* Machine::FindSealed(const Task& task) const {
  auto found = sealed_.find(SealedKeyOf(task));
  return found == sealed_.end() ? nullptr : &found->second;
}

void Machine::HoldParts() {
  holding_.clear();
  if (options_.planted_bug != PlantedBug::kForgetParts) {
    for (const auto& [key, part] : parts_) holding_.push_back(part);
  }
  Perform(action::HoldParts{holding_});
}

void Machine::Handle(const event::PartsHeld& event) {
  if (event.error) {
    Perform(action::Note{"the locks of parts that wait for their snapshot could not be taken: " +
                             event.error->message,
                         true});
    deadlines_.Set({TimerKind::kHold, ""}, now_.boot_ms + options_.hold_retry_ms);
    return;
  }
  is_held_ = true;
  // Some parts may have been released while their locks were being taken.
  for (const PartRecord& part : std::exchange(holding_, {})) {
    const TaskKey key{part.plan_id, part.task};
    if (!parts_.contains(key)) Perform(action::ReleasePart{key, part.repository});
  }
}

// --- starting jobs

void Machine::StartWaiting() {
  if (!is_held_) return;
  std::vector<TaskKey> waiting;
  for (const auto& [key, task] : tasks_) {
    if (task.phase == Phase::kWaiting && !task.is_stopping) waiting.push_back(key);
  }
  for (const TaskKey& key : waiting) {
    if (Task* task = FindTask(key)) (void)TryStart(*task);
  }
}

bool Machine::TryStart(Task& task) {
  // A task whose part is saved, or whose snapshot is sealed, does not save again.
  const bool is_saved = task.compose && (parts_.contains(task.key) || FindSealed(task) != nullptr);
  if (task.kind == OrderKind::kBackup && !is_saved && source_users_.contains(task.source))
    return false;
  const std::optional<v1::Plan> message = MessageOf(plans_.at(task.key.plan_id));
  if (!message) {
    Fail(task, {.code = "corrupt", .message = "the plan cannot be read from the journal"});
    return true;
  }
  if (task.kind == OrderKind::kCompose) return StartComposing(task, *message);
  if (task.kind != OrderKind::kBackup) {
    StartOther(task, *message);
    return true;
  }
  if (is_saved) return StartComposing(task, *message);
  source_users_[task.source] = task.key;
  task.phase = Phase::kPreparing;
  task.progress.phase = "prepare";
  const v1::BackupTask& order = message->backup().tasks(static_cast<int>(task.key.task));
  action::StartPrepare start{.key = task.key,
                             .run = task.run,
                             .source = task.source,
                             .repository = task.repository,
                             .data = task.data,
                             .sharded = order.shards() != v1::SHARDS_UNSPECIFIED,
                             .rest = task.rest,
                             .round = task.round,
                             .requester = message->requester(),
                             .note = message->reason()};
  for (const v1::OtherPart& part : order.others()) {
    start.others.push_back({part.node(), ToBytes(part.tree_id())});
  }
  Perform(std::move(start));
  return true;
}

void Machine::StartOther(Task& task, const v1::Plan& message) {
  const bool is_restore =
      task.kind == OrderKind::kRestore || task.kind == OrderKind::kRestoreInPlace;
  if (!is_restore && other_jobs_ >= options_.other_jobs_max) return;
  if (is_restore && !freshness_) return;  // after a crash: the helper needs a Fresh too
  task.phase = Phase::kRunning;
  SetState(task, TaskState::kAccepted);
  switch (task.kind) {
    case OrderKind::kProbe: {
      action::StartProbe start{.key = task.key};
      start.sources.assign(message.probe().sources().begin(), message.probe().sources().end());
      Perform(std::move(start));
      break;
    }
    case OrderKind::kVerify:
      Perform(action::StartVerify{task.key, message.verify().repository(),
                                  message.verify().read_data()});
      break;
    case OrderKind::kInventory:
      Perform(action::StartInventory{task.key, message.inventory().repository(),
                                     message.inventory().after()});
      break;
    default:
      Perform(action::StartRestore{task.key, plans_.at(task.key.plan_id).record.envelope,
                                   freshness_->envelope, task.resumed});
      return;
  }
  ++other_jobs_;
}

// True if the task started or ended.
bool Machine::StartComposing(Task& task, const v1::Plan& message) {
  const std::int64_t expires_ms = plans_.at(task.key.plan_id).record.expires_ms;
  std::int64_t left_ms = expires_ms - now_.wall_ms;
  if (task.kind == OrderKind::kCompose) {
    // Once the order has expired by the controller's clock, the controller may order another
    // compose. So that clock counts: the latest time that it can show, by its last answer.
    if (!freshness_ || !is_answered_) return false;
    left_ms = expires_ms - (freshness_->now_ms + now_.boot_ms - freshness_->asked_boot_ms);
  }
  if (left_ms <= 0 && options_.planted_bug != PlantedBug::kComposeAfterExpiry) {
    if (task.kind == OrderKind::kCompose &&
        now_.boot_ms - freshness_->asked_boot_ms > kFreshEnoughMs) {
      // The controller's clock may have been set, so ask for its time again.
      is_answered_ = false;
      SayHello();
      return false;
    }
    Fail(task, {.code = "timed_out", .message = "the order has expired", .retryable = true});
    return true;
  }
  task.write_until_ms = now_.boot_ms + left_ms;
  action::StartCompose start{.key = task.key,
                             .run = task.run,
                             .source = task.source,
                             .repository = task.repository,
                             .host = task.host,
                             .requester = message.requester(),
                             .note = message.reason(),
                             .write_until_boot_ms = task.write_until_ms};
  if (task.kind == OrderKind::kCompose) {
    for (const v1::Part& part : message.compose().parts()) {
      start.parts.push_back(ToBytes(part.SerializeAsString()));
    }
    for (const v1::LackingPart& one : message.compose().lacking()) {
      start.lacking.push_back({one.node(), one.reason(), one.rest()});
    }
    start.sharded = message.compose().sharded();
    start.cut_barrier_met = message.compose().cut_barrier_met();
  } else {
    // A local source has a single part: this task's, or that of an earlier round.
    for (const auto& [key, part] : parts_) {
      if (part.run != task.run || part.source != task.source || part.repository != task.repository)
        continue;
      start.parts.assign(1, part.part);
      start.cut_barrier_met = Parsed<v1::Part>(part.part).cut_on_order();
      if (key == task.key) break;
    }
  }
  if (const SealedRecord* sealed = FindSealed(task)) start.sealed = *sealed;
  task.phase = Phase::kComposing;
  task.progress.phase = "compose";
  SetState(task, task.kind == OrderKind::kCompose ? TaskState::kAccepted : TaskState::kSaving);
  Perform(std::move(start));
  return true;
}

// --- backup

void Machine::Handle(const event::TaskPrepared& event) {
  Task* task = FindTask(event.key);
  if (task == nullptr || task->phase != Phase::kPreparing) return;
  task->phase = Phase::kPrepared;
  SetState(*task, TaskState::kPrepared);
  if (task->is_stopping) {
    Perform(action::StopTask{task->key});
    return;
  }
  const Plan& plan = plans_.at(task->key.plan_id);
  if (plan.is_cut_ordered || plan.cut_wait_ms == 0) {
    Cut(*task, false);
  } else {
    deadlines_.Set({TimerKind::kCutWait, TimerName(task->key)}, now_.boot_ms + plan.cut_wait_ms);
  }
}

void Machine::Cut(Task& task, bool on_order) {
  deadlines_.Cancel({TimerKind::kCutWait, TimerName(task.key)});
  task.cut_on_order = on_order;
  task.cut_alone = !on_order;
  task.phase = Phase::kCutting;
  Perform(action::Cut{task.key});
}

void Machine::Handle(const event::TaskCut& event) {
  Task* task = FindTask(event.key);
  if (task == nullptr || task->phase != Phase::kCutting) return;
  task->phase = Phase::kCut;
  task->cut_time_ms = event.cut_time_ms;
  const std::uint32_t splay_ms = plans_.at(task->key.plan_id).splay_ms;
  task->start_at_ms =
      now_.boot_ms + task->start_after_ms + static_cast<std::int64_t>(Below(splay_ms));
  SetState(*task, TaskState::kCut);
  deadlines_.Set({TimerKind::kStart, TimerName(task->key)}, task->start_at_ms);
  if (task->is_stopping) Perform(action::StopTask{task->key});
}

// Starts due tasks, as many as allowed, the one waiting longest first.
void Machine::StartSaving() {
  while (saving_ < options_.tasks_max) {
    Task* next = nullptr;
    for (auto& [key, task] : tasks_) {
      if (task.phase != Phase::kCut || task.is_stopping || task.start_at_ms > now_.boot_ms)
        continue;
      if (next == nullptr || task.start_at_ms < next->start_at_ms) next = &task;
    }
    if (next == nullptr) return;
    deadlines_.Cancel({TimerKind::kStart, TimerName(next->key)});
    ++saving_;
    next->phase = Phase::kSaving;
    next->progress.phase = "save";
    SetState(*next, TaskState::kSaving);
    Perform(action::StartSave{next->key});
  }
}

void Machine::Handle(const event::TaskProgress& event) {
  Task* task = FindTask(event.key);
  if (task == nullptr) return;
  task->progress = event;
  task->rate.Add(Instant(std::chrono::milliseconds(now_.boot_ms)),
                 event.bytes - std::min(event.bytes, event.bytes_unchanged), event.bytes);
  progress_dirty_.insert(event.key);
}

void Machine::Handle(const event::TaskSaved& event) {
  Task* task = FindTask(event.key);
  if (task == nullptr || task->phase != Phase::kSaving) return;
  --saving_;
  source_users_.erase(task->source);
  auto part = Parsed<v1::Part>(event.part);
  part.set_node(identity_.node);
  part.set_data(task->data);
  part.set_rest(task->rest);
  part.set_cut_on_order(task->cut_on_order);
  if (part.cut_time_ms() == 0) part.set_cut_time_ms(task->cut_time_ms);
  PartRecord record{.plan_id = task->key.plan_id,
                    .task = task->key.task,
                    .run = task->run,
                    .source = task->source,
                    .repository = task->repository,
                    .part = ToBytes(part.SerializeAsString()),
                    .expires_ms = plans_.at(task->key.plan_id).record.expires_ms};
  Put(record);
  parts_[task->key] = std::move(record);
  if (task->compose) {
    task->phase = Phase::kWaiting;  // StartComposing() follows at once
    if (task->is_stopping)
      Fail(*task, {.code = task->stop_reason, .message = "stopped before its snapshot"});
    return;
  }
  v1::Report report = ReportOf(*task);
  *report.mutable_saved() = part;
  const TaskKey key = task->key;
  const std::string repository = task->repository;
  Finish(*task, TaskState::kSaved, Report(std::move(report)));
  if (options_.planted_bug == PlantedBug::kReleaseEarly)
    Perform(action::ReleasePart{key, repository});
}

// --- compose

void Machine::Handle(const event::SnapshotSealed& event) {
  Task* task = FindTask(event.key);
  if (task == nullptr || task->phase != Phase::kComposing) return;
  const bool is_over = now_.boot_ms >= task->write_until_ms &&
                       options_.planted_bug != PlantedBug::kComposeAfterExpiry;
  if (task->is_stopping || is_over) {
    if (is_over && !task->is_stopping) {
      task->is_stopping = true;
      task->stop_reason = "timed_out";
    }
    Perform(action::StopTask{task->key});
    return;
  }
  SealedRecord record{.run = task->run,
                      .source = task->source,
                      .repository = task->repository,
                      .snapshot = event.snapshot,
                      .sealed = event.sealed,
                      .composed = event.composed,
                      .expires_ms = plans_.at(task->key.plan_id).record.expires_ms};
  Put(record);
  if (task->kind == OrderKind::kCompose) {
    // If we crash now, the write may still land. So the parts of other nodes need a lock, too.
    PartRecord guard{.plan_id = task->key.plan_id,
                     .task = task->key.task,
                     .run = task->run,
                     .source = task->source,
                     .repository = task->repository,
                     .expires_ms = record.expires_ms};
    Put(guard);
    parts_[task->key] = std::move(guard);
  }
  sealed_[SealedKeyOf(*task)] = std::move(record);
  task->phase = Phase::kWriting;
  Perform(action::WriteSnapshot{task->key});
}

void Machine::Handle(const event::TaskComposed& event) {
  Task* task = FindTask(event.key);
  if (task == nullptr || (task->phase != Phase::kComposing && task->phase != Phase::kWriting))
    return;
  v1::Report report = ReportOf(*task);
  *report.mutable_composed() = Parsed<v1::Composed>(event.composed);
  if (sealed_.erase(SealedKeyOf(*task)) > 0)
    Put(RemoveSealed{task->run, task->source, task->repository});
  const bool may_land =
      std::ranges::any_of(sealed_, [&](const auto& one) { return one.second.run == task->run; });
  // A write from before a crash is of this same snapshot, so it no longer matters when it lands.
  if (!may_land && landing_.erase(task->run) > 0)
    deadlines_.Cancel({TimerKind::kLanding, task->run});
  std::vector<action::ReleasePart> releases;
  if (!task->compose && parts_.erase(task->key) > 0) {
    releases.push_back({task->key, task->repository});
    Put(RemovePart{task->key.plan_id, task->key.task});
  }
  if (task->compose) {
    for (const auto& [key, part] : std::map(parts_)) {
      if (part.run != task->run || part.source != task->source ||
          part.repository != task->repository)
        continue;
      if (!report.composed().has_part())
        *report.mutable_composed()->mutable_part() = Parsed<v1::Part>(part.part);
      // In a snapshot now, so the part needs no lock.
      releases.push_back({key, part.repository});
      Put(RemovePart{key.plan_id, key.task});
      parts_.erase(key);
    }
  }
  Finish(*task, TaskState::kComposed, Report(std::move(report)));
  for (action::ReleasePart& release : releases) Perform(std::move(release));
}

// --- outcomes

void Machine::Handle(const event::TaskDone& event) {
  Task* task = FindTask(event.key);
  if (task == nullptr || task->phase != Phase::kRunning) return;
  v1::Report report = ReportOf(*task);
  switch (task->kind) {
    case OrderKind::kProbe:
      *report.mutable_probe() = Parsed<v1::ProbeResult>(event.result);
      break;
    case OrderKind::kVerify:
      *report.mutable_verify() = Parsed<v1::VerifyResult>(event.result);
      break;
    case OrderKind::kInventory:
      *report.mutable_inventory() = Parsed<v1::InventoryResult>(event.result);
      break;
    default:
      *report.mutable_restored() = Parsed<v1::Restored>(event.result);
      break;
  }
  const bool is_restore =
      task->kind == OrderKind::kRestore || task->kind == OrderKind::kRestoreInPlace;
  if (!is_restore) --other_jobs_;
  Finish(*task, TaskState::kDone, Report(std::move(report)));
}

void Machine::Handle(const event::TaskFailed& event) {
  Task* task = FindTask(event.key);
  if (task == nullptr || task->phase == Phase::kWaiting) return;
  if (task->phase == Phase::kSaving) --saving_;
  if (task->phase == Phase::kRunning && task->kind != OrderKind::kRestore &&
      task->kind != OrderKind::kRestoreInPlace) {
    --other_jobs_;
  }
  if (HoldsSource(task->phase)) source_users_.erase(task->source);
  TaskError error = event.error;
  if (task->is_stopping && error.code == "cancelled") {
    error.code = task->stop_reason;
    error.retryable = task->stop_reason == "timed_out" && task->kind == OrderKind::kCompose;
  }
  Fail(*task, error);
}

// REQUIRES: no job of the task is running, and it holds nothing.
void Machine::Fail(Task& task, const TaskError& error) {
  v1::Report report = ReportOf(task);
  const bool is_cancelled = error.code == "cancelled";
  v1::Failure& failure = is_cancelled ? *report.mutable_cancelled() : *report.mutable_failed();
  failure.set_code(error.code);
  failure.set_message(error.message.substr(0, 4'000));
  failure.set_hint(error.hint.substr(0, 1'000));
  failure.set_retryable(error.retryable);
  // A snapshot that was sealed before may have been written.
  const bool composes = task.kind == OrderKind::kCompose || task.compose;
  failure.set_began(error.began || (composes && FindSealed(task) != nullptr));
  failure.set_rolled_back(error.rolled_back);
  Finish(task, is_cancelled ? TaskState::kCancelled : TaskState::kFailed,
         Report(std::move(report)));
}

// Stops a running or waiting task. A snapshot write is not interrupted; it has its own time limit.
void Machine::Stop(Task& task, const std::string& reason) {
  if (task.is_stopping) return;
  if (task.phase == Phase::kWaiting) {
    Fail(task, {.code = reason,
                .message = reason == "cancelled" ? "the run has ended" : "it has expired"});
    return;
  }
  task.is_stopping = true;
  task.stop_reason = reason;
  if (IsIdle(task.phase)) {
    deadlines_.Cancel({TimerKind::kCutWait, TimerName(task.key)});
    deadlines_.Cancel({TimerKind::kStart, TimerName(task.key)});
  }
  if (task.phase != Phase::kWriting) Perform(action::StopTask{task.key});
}

void Machine::Finish(Task& task, TaskState state, std::uint64_t report) {
  const TaskKey key = task.key;
  const std::string run = task.run;
  const TaskRecord record{key.plan_id, key.task, state, report};
  if (options_.planted_bug != PlantedBug::kForgetPlans) Put(record);
  ended_tasks_[key] = record;
  deadlines_.Cancel({TimerKind::kCutWait, TimerName(key)});
  deadlines_.Cancel({TimerKind::kStart, TimerName(key)});
  progress_dirty_.erase(key);
  tasks_.erase(key);
  Plan& plan = plans_.at(key.plan_id);
  if (--plan.open_tasks == 0) EndPlan(plan);
  CheckEnds(run);
}

bool Machine::MayLand(const std::string& run) const {
  auto landing = landing_.find(run);
  return landing != landing_.end() && now_.boot_ms < landing->second;
}

void Machine::GiveBackParts(const std::string& run) {
  for (const auto& [key, part] : std::map(parts_)) {
    if (part.run != run) continue;
    Put(RemovePart{key.plan_id, key.task});
    Perform(action::ReleasePart{key, part.repository});
    parts_.erase(key);
  }
  std::erase_if(sealed_, [&](const auto& one) {
    if (one.second.run != run) return false;
    Put(RemoveSealed{one.second.run, one.second.source, one.second.repository});
    return true;
  });
}

}  // namespace holdfast::agent
