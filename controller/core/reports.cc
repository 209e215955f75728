#include "controller/core/reports.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/protocol/messages.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::controller {
namespace {

TaskError ErrorOf(const v1::Failure& failure) {
  return {failure.code(),      failure.message(), failure.hint(),
          failure.retryable(), failure.began(),   failure.rolled_back()};
}

// "accepted", "saved", ...: the name of the outcome's field.
std::string_view OutcomeName(const v1::Report& report) {
  const auto& outcomes = *v1::Report::descriptor()->FindOneofByName("outcome");
  const auto* outcome = v1::Report::GetReflection()->GetOneofFieldDescriptor(report, &outcomes);
  return outcome == nullptr ? std::string_view() : outcome->name();
}

// `run` is null if it is not known. REQUIRES: report.has_composed().
SnapshotRecord SnapshotOf(const Run* run, const std::string& node, const v1::Report& report,
                          std::int64_t now_ms) {
  const v1::Composed& composed = report.composed();
  SnapshotRecord record{.repository = report.repository(),
                        .snapshot = ToBytes(composed.snapshot()),
                        .source = report.source(),
                        .host = composed.host(),
                        .run = report.run(),
                        .node = node,
                        .time_ms = composed.time_ms(),
                        .recorded_ms = now_ms,
                        .partial = composed.partial(),
                        .invalid = composed.invalid(),
                        .parent = ToBytes(composed.parent()),
                        .items = composed.items(),
                        .files = composed.files(),
                        .bytes = composed.bytes(),
                        .missing_count = composed.missing_count(),
                        .cut_barrier_met = composed.cut_barrier_met()};
  for (const auto& [name, value] : composed.position()) record.position[name] = value;
  if (run != nullptr) record.note = run->record.reason;
  return record;
}

// The safety snapshot that a restore has reported, if it is one.
std::optional<SnapshotRecord> SafetySnapshotOf(const Task& task, const v1::Report& report,
                                               std::int64_t now_ms) {
  const v1::SafetySnapshot& safety = report.restored().safety();
  constexpr std::size_t kIdBytes = 32;
  if (safety.snapshot().size() != kIdBytes) return std::nullopt;
  const std::string restored = HexEncode(task.record.snapshot);
  return SnapshotRecord{.repository = safety.repository(),
                        .snapshot = ToBytes(safety.snapshot()),
                        .source = task.record.source,
                        .host = safety.host(),
                        .run = report.run(),
                        .node = task.record.node,
                        .time_ms = safety.time_ms(),
                        .recorded_ms = now_ms,
                        .partial = safety.partial(),
                        .invalid = safety.invalid(),
                        .safety = true,
                        .items = safety.items(),
                        .files = safety.files(),
                        .bytes = safety.bytes(),
                        .missing_count = safety.missing_count(),
                        .note = "safety snapshot before restore of " + restored};
}

}  // namespace

void Reports::Take(Agent& agent, const v1::Reports& reports) {
  for (const std::string& envelope : reports.envelopes()) {
    // The agent sends the others again.
    if (agent.budget.refusals.IsEmpty(step_.now().mono_ms)) break;
    if (!TakeOne(agent, ToBytes(envelope))) break;
  }
  v1::ControllerMessage message;
  message.mutable_reports_taken()->set_report_sequence(agent.record.report_sequence);
  cluster_.Send(agent, message);
}

void Reports::Refuse(Agent& agent, const Bytes& envelope, Misbehaviour kind,
                     std::string_view reason) {
  const crypto::Digest hash = crypto::Sha256Of(envelope);
  Bytes digest(hash.begin(), hash.end());
  if (digest == agent.refused_report) return;  // a resend
  agent.refused_report = std::move(digest);
  ++agent.refused_reports;
  agent.refused_reason = reason;
  if (agent.budget.TakeEvidence(kind, step_.now().mono_ms)) AuditRefusal(agent, envelope);
  (void)agent.budget.refusals.Take(1, step_.now().mono_ms);
}

void Reports::AuditRefusal(const Agent& agent, const Bytes& envelope) {
  step_.Audit(
      "report.refused", "node:" + agent.record.node, agent.record.node, "",
      {{"reason", agent.refused_reason}, {"refused", std::to_string(agent.refused_reports)}},
      envelope);
  step_.Warn(
      fmt::format("refused a report of {}: {}", Quote(agent.record.node), agent.refused_reason));
}

bool Reports::TakeOne(Agent& agent, const Bytes& envelope) {
  const Result<OpenedReport> opened = step_.trust().OpenReport(envelope, agent.record.signing_key);
  if (!opened) {
    Refuse(agent, envelope, Misbehaviour::kNotVerified, opened.error().message());
    return false;
  }
  const Bytes& payload = opened->payload;
  v1::ReportHead head;
  if (!protocol::ParseHead(payload, head)) {
    Refuse(agent, envelope, Misbehaviour::kNotVerified, "it is not a report");
    return false;
  }
  if (head.cluster_id() != cluster_.record().cluster_id || head.node() != agent.record.node ||
      head.incarnation() != agent.record.incarnation) {
    Refuse(agent, envelope, Misbehaviour::kNotVerified,
           "it names another cluster, node or incarnation");
    return false;
  }
  const std::uint64_t next = agent.record.report_sequence + 1;
  if (head.report_sequence() < next && step_.options().planted_bug != PlantedBug::kTakeTwice)
    return true;
  if (head.report_sequence() > next && step_.options().planted_bug != PlantedBug::kSkipReports) {
    return false;  // those in between must come first
  }
  const bool is_restart = next > 1 && agent.record.report_hash.empty();
  if (!is_restart && ToBytes(head.previous()) != agent.record.report_hash &&
      step_.options().planted_bug == PlantedBug::kNone) {
    Refuse(agent, envelope, Misbehaviour::kNotNext, "it does not follow the previous one");
    return false;
  }
  const crypto::Digest hash = crypto::Sha256Of(payload);
  agent.record.report_sequence = head.report_sequence();
  agent.record.report_hash = Bytes(hash.begin(), hash.end());
  step_.Put(
      ReportCursor{agent.record.node, agent.record.report_sequence, agent.record.report_hash});
  TakeNext(agent, envelope, *opened, head);
  return true;
}

// The report is the next of its chain, so the chain continues, whatever its content.
void Reports::TakeNext(Agent& agent, const Bytes& envelope, const OpenedReport& opened,
                       const v1::ReportHead& head) {
  v1::Report report;
  const bool is_parsed =
      report.ParseFromArray(opened.payload.data(), static_cast<int>(opened.payload.size()));
  const bool is_answer = report.has_accepted() || report.has_refused();
  const std::optional<Subject> subject = SubjectOf(agent, head);
  if (const auto surplus = Count(agent, subject, head, is_answer, envelope.size())) {
    Refuse(agent, envelope, subject ? Misbehaviour::kSurplus : Misbehaviour::kUnknownPlan,
           *surplus);
    return;
  }
  if (opened.defect || !is_parsed || OutcomeName(report).empty()) {
    ++agent.refused_reports;
    agent.refused_reason = opened.defect ? opened.defect->message() : "it has no outcome";
    AuditRefusal(agent, envelope);
    // An unreadable acceptance fails nothing: its plan stays unanswered.
    if (!report.has_accepted()) {
      ApplyUnreadable(subject, head, opened.payload, agent.refused_reason);
    }
    return;
  }
  step_.Audit("report.taken", "node:" + agent.record.node, agent.record.node, report.run(),
              {{"sequence", std::to_string(report.report_sequence())},
               {"outcome", std::string(OutcomeName(report))},
               {"plan", HexEncode(AsBytes(report.plan_id()))},
               {"source", report.source()}},
              envelope);
  Apply(agent, subject, report, opened.payload);
}

std::optional<Reports::Subject> Reports::SubjectOf(const Agent& agent, const v1::ReportHead& head) {
  Plan* plan = plans_.Find(ToBytes(head.plan_id()));
  if (plan == nullptr || plan->record.node != agent.record.node ||
      plan->record.hash != ToBytes(head.plan_hash())) {
    return std::nullopt;
  }
  Run* run = runs_.table().Find(plan->record.run);
  if (run == nullptr) return std::nullopt;
  return Subject{*plan, *run};
}

std::optional<std::string> Reports::Count(Agent& agent, const std::optional<Subject>& subject,
                                          const v1::ReportHead& head, bool is_answer,
                                          std::size_t bytes) {
  if (step_.options().planted_bug == PlantedBug::kTakeTwice) return std::nullopt;
  if (!subject) {
    constexpr std::int64_t kRowBytes = 512;  // of the audit event and the record, besides evidence
    const auto cost = static_cast<std::int64_t>(bytes) + kRowBytes;
    if (agent.budget.unknown_plans.Take(cost, step_.now().mono_ms)) return std::nullopt;
    return "the agent has sent too many reports about plans that the controller does not know";
  }
  Plan& plan = subject->plan;
  if (is_answer) {
    if (!std::exchange(plan.has_answer, true)) return std::nullopt;
    return "the agent has already answered the plan";
  }
  if (head.task() >= std::max<std::size_t>(1, plan.tasks.size())) {
    return "the plan has no such task";
  }
  if (plan.outcomes.insert(head.task()).second) return std::nullopt;
  return "the agent has already reported the outcome of the task";
}

// The agent has finished a task or refused a plan, but the controller cannot know which. Fails the
// task, so that its run does not wait for an answer that has already arrived.
void Reports::ApplyUnreadable(const std::optional<Subject>& subject, const v1::ReportHead& head,
                              const Bytes& payload, std::string_view reason) {
  if (!subject) return;
  auto& [plan, run] = *subject;
  plans_.SetAnswered(plan, PlanState::kAccepted);
  if (plan.record.kind == OrderKind::kEnd) {
    runs_.TakeEndAnswer(run, plan.record.plan_id);
    return;
  }
  if (head.task() >= plan.tasks.size()) return;
  Task& task = run.tasks[plan.tasks[head.task()]];
  if (IsSettled(task.record)) return;
  task.record.report = payload;
  runs_.SetState(run, task, TaskState::kFailed,
                 TaskError{.code = "unsupported",
                           .message = fmt::format("the controller cannot read the report of {}: {}",
                                                  Quote(head.node()), reason),
                           .hint = fmt::format("upgrade the controller: the agent has version {}",
                                               Quote(head.version().substr(0, 100))),
                           .began = true});
}

void Reports::Apply(Agent& agent, const std::optional<Subject>& subject, const v1::Report& report,
                    const Bytes& payload) {
  if (!subject) {
    ApplyUnknown(agent, report);
    return;
  }
  auto& [plan, run] = *subject;
  if (report.has_refused()) {
    ApplyRefused(run, plan, report, payload);
    return;
  }
  plans_.SetAnswered(plan, PlanState::kAccepted);
  if (report.has_accepted()) {
    for (std::uint32_t number : plan.tasks) {
      Task& task = run.tasks[number];
      if (task.record.state == TaskState::kPlanned) runs_.SetState(run, task, TaskState::kAccepted);
    }
    return;
  }
  if (plan.record.kind == OrderKind::kEnd) {
    runs_.TakeEndAnswer(run, plan.record.plan_id);
    return;
  }
  if (report.has_probe()) TakeProbe(agent, report);
  if (report.task() < plan.tasks.size()) {
    ApplyOutcome(run, run.tasks[plan.tasks[report.task()]], report, payload);
  }
}

// The run is not in this catalog, or is closed. Its snapshot is recorded anyway.
void Reports::ApplyUnknown(Agent& agent, const v1::Report& report) {
  // The newest report comes last, so its health remains.
  if (report.has_probe()) TakeProbe(agent, report);
  if (!report.has_composed() || report.run().empty() || report.source().empty()) return;
  RunRecord run{.run = report.run(),
                .state = report.composed().partial() || report.composed().invalid()
                             ? RunState::kPartlyDone
                             : RunState::kDone,
                .created_ms = report.composed().time_ms(),
                .started_ms = report.composed().time_ms(),
                .ended_ms = report.time_ms(),
                .closed = true,
                .message = "known only from reports of the agents"};
  step_.Put(RecoverRun{std::move(run)});
  step_.Put(RecoverSnapshot{SnapshotOf(nullptr, agent.record.node, report, step_.now().wall_ms)});
}

void Reports::ApplyRefused(Run& run, Plan& plan, const v1::Report& report, const Bytes& payload) {
  plans_.SetAnswered(plan, PlanState::kRefused);
  if (plan.record.kind == OrderKind::kEnd) {
    runs_.TakeEndAnswer(run, plan.record.plan_id);
    return;
  }
  for (std::uint32_t number : plan.tasks) {
    Task& task = run.tasks[number];
    if (IsFinal(task.record.state)) continue;
    task.record.report = payload;
    runs_.SetState(run, task, TaskState::kRefused,
                   TaskError{.code = report.refused().check(),
                             .message = report.refused().message(),
                             .hint = report.refused().hint()});
  }
}

void Reports::ApplyOutcome(Run& run, Task& task, const v1::Report& report, const Bytes& payload) {
  // A reported outcome is final, even if another one arrives; only `saved` can be followed by one.
  if (!task.record.report.empty() && task.record.state != TaskState::kSaved) return;
  const bool is_late = IsFinal(run.record.state);
  if (report.has_composed()) {
    task.record.report = payload;
    task.record.snapshot = ToBytes(report.composed().snapshot());
    task.record.cut_barrier_met = report.composed().cut_barrier_met();
    task.is_whole = IsWhole(report);
    if (report.composed().has_part()) {
      task.progress.items = report.composed().items();
      task.progress.bytes = report.composed().bytes();
    }
    step_.Put(SnapshotOf(&run, task.record.node, report, step_.now().wall_ms));
    runs_.SetState(run, task, TaskState::kComposed);
  } else if (report.has_saved()) {
    // An ended run or task does not use the part any more.
    if (is_late || IsFinal(task.record.state)) return;
    task.record.report = payload;
    if (run.units[task.unit].has_ended) {
      runs_.SetState(run, task, TaskState::kFailed,
                     TaskError{.code = "timed_out",
                               .message = "it was backed up after the others were composed"});
      return;
    }
    task.progress.items = report.saved().items();
    task.progress.bytes = report.saved().bytes();
    runs_.SetState(run, task, TaskState::kSaved);
  } else if (report.has_failed()) {
    task.record.report = payload;
    runs_.SetState(run, task, TaskState::kFailed, ErrorOf(report.failed()));
  } else if (report.has_cancelled() && task.record.state == TaskState::kLost) {
    // The agent answers the end of a run that went on without it. The run has no snapshot of this
    // task because the agent was away, so the task stays lost. No report is stored: it would end
    // the task, and a snapshot that comes to light later must still count.
    const v1::Failure& cancelled = report.cancelled();
    if (!task.record.error) task.record.error.emplace();
    TaskError& error = *task.record.error;
    error.message += "; the agent has stopped the task since";
    error.began = cancelled.began();
    error.rolled_back = cancelled.rolled_back();
    runs_.table().MarkChanged(task);
  } else if (report.has_cancelled()) {
    task.record.report = payload;
    runs_.SetState(run, task, TaskState::kCancelled, ErrorOf(report.cancelled()));
  } else if (report.has_verify() && !report.verify().sound()) {
    task.record.report = payload;
    runs_.SetState(
        run, task, TaskState::kFailed,
        TaskError{
            .code = "corrupt",
            .message = fmt::format("repository {} has {}", Quote(task.record.repository),
                                   FormatCount(report.verify().error_count(), "error")),
            .hint =
                "see `holdfast run show`; do not change the repository until the cause is known"});
  } else {
    task.record.report = payload;
    ApplyDone(run, task, report);
  }
  if (is_late) runs_.Amend(run);
}

void Reports::ApplyDone(Run& run, Task& task, const v1::Report& report) {
  if (report.has_inventory()) {
    if (std::optional<TaskError> defect = DefectOf(run, report.inventory())) {
      runs_.SetState(run, task, TaskState::kFailed, std::move(defect));
      return;
    }
    TakeInventory(run, task, report);
  }
  // Recorded at once, so that the restore can be undone.
  if (auto safety = SafetySnapshotOf(task, report, step_.now().wall_ms)) {
    step_.Put(RecoverSnapshot{*std::move(safety)});
  }
  task.is_partial = report.restored().has_partly();
  runs_.SetState(run, task, TaskState::kDone);
}

// An inventory must end, whatever the agent reports: each page starts after the one before it.
std::optional<TaskError> Reports::DefectOf(const Run& run, const v1::InventoryResult& page) const {
  Bytes last = run.seen.empty() ? Bytes() : run.seen.back();
  for (const v1::InventoriedSnapshot& one : page.snapshots()) {
    Bytes id = ToBytes(one.id());
    if (id <= last) {
      return TaskError{
          .code = "corrupt",
          .message = "the snapshots in the agent's inventory are not in ascending order"};
    }
    last = std::move(id);
  }
  const std::size_t count = run.seen.size() + static_cast<std::size_t>(page.snapshots_size());
  if (count <= step_.options().inventory_max) return std::nullopt;
  return TaskError{.code = "unsupported",
                   .message = fmt::format("the repository has more than {}",
                                          FormatCount(step_.options().inventory_max, "snapshot")),
                   .hint = "remove old snapshots: holdfast-agent forget"};
}

void Reports::TakeInventory(Run& run, const Task& task, const v1::Report& report) {
  for (const auto& one : report.inventory().snapshots()) {
    run.seen.push_back(ToBytes(one.id()));
    step_.Put(RecoverSnapshot{{.repository = task.record.repository,
                               .snapshot = ToBytes(one.id()),
                               .source = one.source(),
                               .host = one.host(),
                               .run = one.run(),
                               .time_ms = one.time_ms(),
                               .recorded_ms = step_.now().wall_ms,
                               .partial = one.partial(),
                               .invalid = one.invalid(),
                               .safety = one.safety(),
                               .parent = ToBytes(one.parent()),
                               .items = one.items(),
                               .files = one.files(),
                               .bytes = one.bytes(),
                               .note = one.note()}});
  }
}

void Reports::TakeProbe(Agent& agent, const v1::Report& report) {
  for (const auto& source : report.probe().sources()) {
    if (std::ranges::find(agent.record.sources, source.source(), &ConfiguredSource::source) ==
        agent.record.sources.end()) {
      continue;
    }
    agent.record.healthy[source.source()] = source.healthy() && !source.has_error();
  }
  cluster_.MarkChanged(agent.record.node);
}

}  // namespace holdfast::controller
