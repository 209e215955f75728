#include "agent/core/jobs.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {
namespace {

constexpr std::int64_t kFreshEnoughMs = 60'000;

bool HoldsSource(Phase phase) {
  return phase == Phase::kPreparing || phase == Phase::kPrepared || phase == Phase::kCutting ||
         phase == Phase::kCut || phase == Phase::kSaving;
}

template <typename Message>
Message Parsed(const Bytes& bytes) {
  Message message;
  (void)message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  return message;
}

// REQUIRES: `part` is a v1::PartReference or a v1::Part.
template <typename Part>
action::PartReference ReferenceTo(const Part& part, BackupScope scope) {
  return {.node = part.node(),
          .tree_id = ToBytes(part.tree_id()),
          .scope = scope,
          .bytes_added = part.bytes_added(),
          .bytes_stored = part.bytes_stored()};
}

UncomposedPartRecord PartOf(const Task& task, Bytes part) {
  return {.plan_id = task.key.plan_id,
          .task = task.key.task,
          .run = task.run,
          .source = task.source,
          .repository = task.repository,
          .part = std::move(part),
          .expires_ms = task.plan->record.expires_ms};
}

}  // namespace

Jobs::Jobs(StepContext& step, const IdentityState& identity, Session& session, Parts& parts,
           ProgressSender& progress, Tasks& tasks)
    : step_(step),
      identity_(identity),
      session_(session),
      parts_(parts),
      progress_(progress),
      tasks_(tasks) {}

// --- starting jobs

void Jobs::StartDue() {
  if (parts_.is_held()) {
    std::vector<TaskKey> waiting;
    for (const auto& [key, task] : tasks_.all()) {
      if (task.phase == Phase::kWaiting && !task.is_stopping) waiting.push_back(key);
    }
    for (const TaskKey& key : waiting) {
      if (Task* task = tasks_.Find(key)) Start(*task);
    }
  }
  StartSaving();
}

// Starts due tasks, as many as allowed, the one waiting longest first.
void Jobs::StartSaving() {
  while (saving_ < step_.options.tasks_max) {
    Task* next = nullptr;
    for (auto& [key, task] : tasks_.all()) {
      if (task.phase != Phase::kCut || task.is_stopping || task.start_at_ms > step_.now.boot_ms)
        continue;
      if (next == nullptr || task.start_at_ms < next->start_at_ms) next = &task;
    }
    if (next == nullptr) return;
    step_.CancelTimer(TimerKind::kStart, TimerName(next->key));
    ++saving_;
    next->phase = Phase::kSaving;
    next->progress.phase = "save";
    tasks_.SetState(*next, TaskState::kSaving);
    step_.Perform(action::StartSave{next->key});
  }
}

void Jobs::Start(Task& task) {
  const bool is_backup = task.kind == OrderKind::kBackup;
  // A task whose part is saved, or whose snapshot is sealed, does not save again.
  const bool is_saved = task.scope == BackupScope::kOnlyPart &&
                        (parts_.Has(task.key) || parts_.FindSealed(task) != nullptr);
  if (is_backup && !is_saved && open_sources_.contains(task.source)) return;
  const std::optional<v1::Plan> message = MessageOf(*task.plan);
  if (!message) {
    tasks_.Fail(task, {.code = "corrupt", .message = "the plan cannot be read from the journal"});
  } else if (task.kind == OrderKind::kCompose || is_saved) {
    StartComposing(task, *message);
  } else if (is_backup) {
    StartPreparing(task, *message);
  } else {
    StartOther(task, *message);
  }
}

void Jobs::StartPreparing(Task& task, const v1::Plan& message) {
  open_sources_.insert(task.source);
  task.phase = Phase::kPreparing;
  task.progress.phase = "prepare";
  const v1::BackupTask& order = message.backup().tasks(static_cast<int>(task.key.task));
  action::StartPrepare start{.key = task.key,
                             .run = task.run,
                             .source = task.source,
                             .repository = task.repository,
                             .scope = task.scope,
                             .round = task.round,
                             .requester = message.requester(),
                             .note = message.reason()};
  for (const v1::PartReference& part : order.others()) {
    start.others.push_back({.node = part.node(), .tree_id = ToBytes(part.tree_id())});
  }
  step_.Perform(std::move(start));
}

void Jobs::StartOther(Task& task, const v1::Plan& message) {
  const bool is_restore = IsRestore(task);
  if (!is_restore && other_jobs_ >= step_.options.other_jobs_max) return;
  // After a crash: the helper needs a Fresh too.
  if (is_restore && !session_.freshness()) return;
  task.phase = Phase::kRunning;
  tasks_.SetState(task, TaskState::kAccepted);
  switch (task.kind) {
    case OrderKind::kProbe: {
      action::StartProbe start{.key = task.key};
      start.sources.assign(message.probe().sources().begin(), message.probe().sources().end());
      step_.Perform(std::move(start));
      break;
    }
    case OrderKind::kVerify:
      step_.Perform(action::StartVerify{task.key, message.verify().repository(),
                                        message.verify().read_data()});
      break;
    case OrderKind::kInventory:
      step_.Perform(action::StartInventory{task.key, message.inventory().repository(),
                                           message.inventory().after()});
      break;
    default:
      step_.Perform(action::StartRestore{task.key, task.plan->record.envelope,
                                         session_.freshness()->envelope, task.is_resumed});
      return;
  }
  ++other_jobs_;
}

void Jobs::StartComposing(Task& task, const v1::Plan& message) {
  const bool is_order = task.kind == OrderKind::kCompose;
  const std::int64_t expires_ms = task.plan->record.expires_ms;
  const std::optional<FreshAnswer>& freshness = session_.freshness();
  std::int64_t left_ms = expires_ms - step_.now.wall_ms;
  if (is_order) {
    // Once the order has expired by the controller's clock, the controller may order another
    // compose. So that clock counts: the latest time that it can show, by its last answer.
    if (!freshness || !session_.is_answered()) return;
    left_ms = expires_ms - (freshness->now_ms + step_.now.boot_ms - freshness->asked_boot_ms);
  }
  if (left_ms <= 0 && !step_.HasBug(PlantedBug::kComposeAfterExpiry)) {
    if (is_order && step_.now.boot_ms - freshness->asked_boot_ms > kFreshEnoughMs) {
      // The controller's clock may have been set, so ask for its time again.
      session_.Renew();
      return;
    }
    tasks_.Fail(task, {.code = "timed_out", .message = "the order has expired", .retryable = true});
    return;
  }
  task.write_until_ms = step_.now.boot_ms + left_ms;
  action::StartCompose start{.key = task.key,
                             .run = task.run,
                             .source = task.source,
                             .repository = task.repository,
                             .host = task.host,
                             .requester = message.requester(),
                             .note = message.reason(),
                             .write_until_boot_ms = task.write_until_ms};
  if (is_order) {
    const v1::ComposeOrder& order = message.compose();
    for (const v1::PartReference& part : order.parts()) {
      start.parts.push_back(ReferenceTo(
          part, ScopeOf({.data = part.data(), .rest = part.rest(), .sharded = order.sharded()})));
    }
    for (const v1::LackingPart& one : order.lacking()) {
      start.lacking.push_back({one.rest() ? "" : one.node(), one.reason()});
    }
    start.cut_barrier_met = order.cut_barrier_met();
  } else if (const UncomposedPartRecord* record = parts_.FindPart(task)) {
    // A local source has a single part.
    const auto part = Parsed<v1::Part>(record->part);
    start.parts.push_back(ReferenceTo(part, task.scope));
    start.cut_barrier_met = part.cut_on_order();
  }
  if (const SealedRecord* sealed = parts_.FindSealed(task)) start.sealed = *sealed;
  task.phase = Phase::kComposing;
  task.progress.phase = "compose";
  tasks_.SetState(task, is_order ? TaskState::kAccepted : TaskState::kSaving);
  step_.Perform(std::move(start));
}

// --- backup

void Jobs::Handle(const event::TaskPrepared& event) {
  Task* task = tasks_.Find(event.key);
  if (task == nullptr || task->phase != Phase::kPreparing) return;
  task->phase = Phase::kPrepared;
  tasks_.SetState(*task, TaskState::kPrepared);
  if (task->is_stopping) {
    step_.Perform(action::StopTask{task->key});
  } else if (task->plan->is_cut_ordered || task->plan->cut_wait_ms == 0) {
    tasks_.Cut(*task, false);
  } else {
    step_.SetTimer(TimerKind::kCutWait, task->plan->cut_wait_ms, TimerName(task->key));
  }
}

void Jobs::Handle(const event::TaskCut& event) {
  Task* task = tasks_.Find(event.key);
  if (task == nullptr || task->phase != Phase::kCutting) return;
  task->phase = Phase::kCut;
  task->cut_time_ms = event.cut_time_ms;
  const std::int64_t delay_ms = task->start_after_ms + static_cast<std::int64_t>(RandomBelow(
                                                           step_.random, task->plan->splay_ms));
  task->start_at_ms = step_.now.boot_ms + delay_ms;
  tasks_.SetState(*task, TaskState::kCut);
  step_.SetTimer(TimerKind::kStart, delay_ms, TimerName(task->key));
  if (task->is_stopping) step_.Perform(action::StopTask{task->key});
}

void Jobs::Handle(const event::TaskProgress& event) {
  Task* task = tasks_.Find(event.key);
  if (task == nullptr) return;
  task->progress = event;
  task->rate.Add(Instant(std::chrono::milliseconds(step_.now.boot_ms)),
                 event.bytes - std::min(event.bytes, event.bytes_unchanged), event.bytes);
  progress_.MarkChanged(event.key);
}

void Jobs::Handle(const event::TaskSaved& event) {
  Task* task = tasks_.Find(event.key);
  if (task == nullptr || task->phase != Phase::kSaving) return;
  --saving_;
  open_sources_.erase(task->source);
  auto part = Parsed<v1::Part>(event.part);
  part.set_node(identity_.record().node);
  part.set_data(HasData(task->scope));
  part.set_rest(IsRest(task->scope));
  part.set_cut_on_order(task->is_cut_on_order);
  if (part.cut_time_ms() == 0) part.set_cut_time_ms(task->cut_time_ms);
  const UncomposedPartRecord record = PartOf(*task, ToBytes(part.SerializeAsString()));
  parts_.Add(record);
  if (task->scope == BackupScope::kOnlyPart) {
    task->phase = Phase::kWaiting;  // StartComposing() follows at once
    if (task->is_stopping)
      tasks_.Fail(*task, {.code = task->stop_reason, .message = "stopped before its snapshot"});
    return;
  }
  v1::Report report = ReportOf(*task);
  *report.mutable_saved() = part;
  tasks_.Finish(*task, TaskState::kSaved, std::move(report));
  if (step_.HasBug(PlantedBug::kReleaseEarly)) parts_.Release(record);
}

// --- compose

void Jobs::Handle(const event::SnapshotSealed& event) {
  Task* task = tasks_.Find(event.key);
  if (task == nullptr || task->phase != Phase::kComposing) return;
  const bool is_over =
      step_.now.boot_ms >= task->write_until_ms && !step_.HasBug(PlantedBug::kComposeAfterExpiry);
  if (task->is_stopping || is_over) {
    if (!task->is_stopping) {
      task->is_stopping = true;
      task->stop_reason = "timed_out";
    }
    step_.Perform(action::StopTask{task->key});
    return;
  }
  parts_.Seal({.run = task->run,
               .source = task->source,
               .repository = task->repository,
               .snapshot = event.snapshot,
               .sealed = event.sealed,
               .composed = event.composed,
               .expires_ms = task->plan->record.expires_ms});
  // If we crash now, the write may still land. So the parts of other nodes need a lock, too.
  if (task->kind == OrderKind::kCompose) parts_.Add(PartOf(*task, {}));
  task->phase = Phase::kWriting;
  step_.Perform(action::WriteSnapshot{task->key});
}

void Jobs::Handle(const event::TaskComposed& event) {
  Task* task = tasks_.Find(event.key);
  if (task == nullptr || (task->phase != Phase::kComposing && task->phase != Phase::kWriting))
    return;
  v1::Report report = ReportOf(*task);
  v1::Composed& composed = *report.mutable_composed();
  composed = Parsed<v1::Composed>(event.composed);
  const std::vector<UncomposedPartRecord> taken = parts_.TakeComposed(*task);
  if (task->scope == BackupScope::kOnlyPart && !taken.empty() && !composed.has_part())
    *composed.mutable_part() = Parsed<v1::Part>(taken.front().part);
  tasks_.Finish(*task, TaskState::kComposed, std::move(report));
  // In a snapshot now, so the parts need no lock.
  for (const UncomposedPartRecord& part : taken) parts_.Release(part);
}

// --- outcomes

void Jobs::Handle(const event::TaskDone& event) {
  Task* task = tasks_.Find(event.key);
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
  if (!IsRestore(*task)) --other_jobs_;
  tasks_.Finish(*task, TaskState::kDone, std::move(report));
}

void Jobs::Handle(const event::TaskFailed& event) {
  Task* task = tasks_.Find(event.key);
  if (task == nullptr || task->phase == Phase::kWaiting) return;
  if (task->phase == Phase::kSaving) --saving_;
  if (task->phase == Phase::kRunning && !IsRestore(*task)) --other_jobs_;
  if (HoldsSource(task->phase)) open_sources_.erase(task->source);
  TaskError error = event.error;
  if (task->is_stopping && error.code == "cancelled") {
    error.code = task->stop_reason;
    error.retryable = task->stop_reason == "timed_out" && task->kind == OrderKind::kCompose;
  }
  tasks_.Fail(*task, error);
}

}  // namespace holdfast::agent
