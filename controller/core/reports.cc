// Reports of agents: verified, in order, each applied once.
#include <algorithm>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "controller/core/machine.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::controller {
namespace {

TaskError ErrorOf(const v1::Failure& failure) {
  return {failure.code(),      failure.message(), failure.hint(),
          failure.retryable(), failure.began(),   failure.rolled_back()};
}

std::string_view OutcomeName(const v1::Report& report) {
  switch (report.outcome_case()) {
    case v1::Report::kAccepted:
      return "accepted";
    case v1::Report::kRefused:
      return "refused";
    case v1::Report::kSaved:
      return "saved";
    case v1::Report::kComposed:
      return "composed";
    case v1::Report::kProbe:
      return "probe";
    case v1::Report::kVerify:
      return "verify";
    case v1::Report::kInventory:
      return "inventory";
    case v1::Report::kRestored:
      return "restored";
    case v1::Report::kFailed:
      return "failed";
    case v1::Report::kCancelled:
      return "cancelled";
    case v1::Report::kEnded:
      return "ended";
    case v1::Report::OUTCOME_NOT_SET:
      break;
  }
  return "";
}

}  // namespace

void Machine::TakeReports(Agent& agent, const v1::Reports& reports) {
  for (const std::string& envelope : reports.envelopes()) {
    if (TakeReport(agent, ToBytes(envelope)) == Taken::kStop) break;
  }
  v1::ControllerMessage message;
  message.mutable_reports_taken()->set_report_sequence(agent.record.report_sequence);
  SendTo(agent, message);
}

void Machine::RefuseReport(Agent& agent, const Bytes& envelope, std::string_view reason) {
  const crypto::Digest hash = crypto::Sha256Of(envelope);
  Bytes digest(hash.begin(), hash.end());
  if (digest == agent.refused_report) return;  // a resend; already audited
  agent.refused_report = std::move(digest);
  Audit("report.refused", "node:" + agent.record.node, agent.record.node, "",
        {{"reason", std::string(reason)}}, envelope);
  Perform(action::Note{fmt::format("refused a report of {}: {}", Quote(agent.record.node), reason),
                       true});
}

Machine::Taken Machine::TakeReport(Agent& agent, const Bytes& envelope) {
  const Result<Bytes> payload = trust_.OpenReport(envelope, agent.record.signing_key);
  if (!payload) {
    RefuseReport(agent, envelope, payload.error().message());
    return Taken::kStop;
  }
  v1::Report report;
  if (!report.ParseFromArray(payload->data(), static_cast<int>(payload->size())) ||
      OutcomeName(report).empty()) {
    RefuseReport(agent, envelope, "it is not a report");
    return Taken::kStop;
  }
  if (report.cluster_id() != cluster_.cluster_id || report.node() != agent.record.node ||
      report.incarnation() != agent.record.incarnation) {
    RefuseReport(agent, envelope, "it names another cluster, node or incarnation");
    return Taken::kStop;
  }
  const std::uint64_t next = agent.record.report_sequence + 1;
  if (report.report_sequence() < next && options_.planted_bug != PlantedBug::kTakeTwice)
    return Taken::kOld;
  if (report.report_sequence() > next && options_.planted_bug != PlantedBug::kSkipReports) {
    return Taken::kStop;  // those in between must come first
  }
  const bool is_restart = next > 1 && agent.record.report_hash.empty();
  if (!is_restart && ToBytes(report.previous()) != agent.record.report_hash &&
      options_.planted_bug == PlantedBug::kNone) {
    RefuseReport(agent, envelope, "it does not follow the previous one");
    return Taken::kStop;
  }
  const crypto::Digest hash = crypto::Sha256Of(*payload);
  agent.record.report_sequence = report.report_sequence();
  agent.record.report_hash = Bytes(hash.begin(), hash.end());
  Put(ReportCursor{agent.record.node, agent.record.report_sequence, agent.record.report_hash});
  Audit("report.taken", "node:" + agent.record.node, agent.record.node, report.run(),
        {{"sequence", std::to_string(report.report_sequence())},
         {"outcome", std::string(OutcomeName(report))},
         {"plan", HexEncode(AsBytes(report.plan_id()))},
         {"source", report.source()}},
        envelope);
  Apply(agent, report, *payload);
  return Taken::kYes;
}

void Machine::Apply(Agent& agent, const v1::Report& report, const Bytes& payload) {
  auto found = plans_.find(ToBytes(report.plan_id()));
  Run* run = found == plans_.end() ? nullptr : FindRun(found->second.record.run);
  const bool is_ours = run != nullptr && found->second.record.node == agent.record.node &&
                       found->second.record.hash == ToBytes(report.plan_hash());
  if (!is_ours) {
    ApplyUnknown(agent, report);
    return;
  }
  Plan& plan = found->second;
  if (report.has_refused()) {
    ApplyRefused(*run, plan, report, payload);
    return;
  }
  Answered(plan, PlanState::kAccepted);
  if (report.has_accepted()) {
    for (std::uint32_t number : plan.tasks) {
      Task& task = run->tasks[number];
      if (task.record.state == TaskState::kPlanned) SetState(*run, task, TaskState::kAccepted);
    }
    return;
  }
  if (plan.record.kind == OrderKind::kEnd) {
    run->ends.erase(plan.record.plan_id);
    CloseIfDone(*run);
    return;
  }
  if (report.has_probe()) TakeProbe(agent, report);
  if (report.task() < plan.tasks.size()) {
    ApplyOutcome(*run, run->tasks[plan.tasks[report.task()]], report, payload);
  }
}

// The run is not in this catalog, or is closed. Its snapshot is recorded anyway.
void Machine::ApplyUnknown(Agent& agent, const v1::Report& report) {
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
  Put(RecoverRun{std::move(run)});
  Put(RecoverSnapshot{SnapshotOf(nullptr, agent.record.node, report)});
}

void Machine::ApplyRefused(Run& run, Plan& plan, const v1::Report& report, const Bytes& payload) {
  Answered(plan, PlanState::kRefused);
  if (plan.record.kind == OrderKind::kEnd) {
    run.ends.erase(plan.record.plan_id);
    CloseIfDone(run);
    return;
  }
  for (std::uint32_t number : plan.tasks) {
    Task& task = run.tasks[number];
    if (IsFinal(task.record.state)) continue;
    task.record.report = payload;
    SetState(run, task, TaskState::kRefused,
             TaskError{.code = report.refused().check(),
                       .message = report.refused().message(),
                       .hint = report.refused().hint()});
  }
}

void Machine::ApplyOutcome(Run& run, Task& task, const v1::Report& report, const Bytes& payload) {
  // A reported outcome is final, even if another one arrives; only `saved` can be followed by one.
  if (!task.record.report.empty() && task.record.state != TaskState::kSaved) return;
  const bool is_late = IsFinal(run.record.state);
  if (report.has_composed()) {
    task.record.report = payload;
    task.record.snapshot = ToBytes(report.composed().snapshot());
    task.record.cut_barrier_met = report.composed().cut_barrier_met();
    task.whole = !report.composed().partial() && !report.composed().invalid() &&
                 report.composed().missing_count() == 0;
    if (report.composed().has_part()) {
      task.progress.items = report.composed().items();
      task.progress.bytes = report.composed().bytes();
    }
    Put(SnapshotOf(&run, task.record.node, report));
    SetState(run, task, TaskState::kComposed);
  } else if (report.has_saved()) {
    // An ended run or task does not use the part any more.
    if (is_late || IsFinal(task.record.state)) return;
    task.record.report = payload;
    if (run.units[task.unit].ended) {
      SetState(run, task, TaskState::kFailed,
               TaskError{.code = "timed_out",
                         .message = "it was backed up after the others were composed"});
      return;
    }
    task.progress.items = report.saved().items();
    task.progress.bytes = report.saved().bytes();
    SetState(run, task, TaskState::kSaved);
  } else if (report.has_failed()) {
    task.record.report = payload;
    SetState(run, task, TaskState::kFailed, ErrorOf(report.failed()));
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
    Dirty(task);
  } else if (report.has_cancelled()) {
    task.record.report = payload;
    SetState(run, task, TaskState::kCancelled, ErrorOf(report.cancelled()));
  } else if (report.has_verify() && !report.verify().sound()) {
    task.record.report = payload;
    SetState(
        run, task, TaskState::kFailed,
        TaskError{
            .code = "corrupt",
            .message = fmt::format("repository {} has {}", Quote(task.record.repository),
                                   FormatCount(report.verify().error_count(), "error")),
            .hint =
                "see `holdfast run show`; do not change the repository until the cause is known"});
  } else {
    task.record.report = payload;
    if (report.has_inventory()) TakeInventory(run, task, report);
    if (report.restored().has_safety()) TakeSafetySnapshot(task, report);
    task.partly = report.restored().has_partly();
    SetState(run, task, TaskState::kDone);
  }
  if (is_late) Amend(run);
}

// `run` is null if it is not known. REQUIRES: report.has_composed().
SnapshotRecord Machine::SnapshotOf(const Run* run, const std::string& node,
                                   const v1::Report& report) const {
  const v1::Composed& composed = report.composed();
  SnapshotRecord record{.repository = report.repository(),
                        .snapshot = ToBytes(composed.snapshot()),
                        .source = report.source(),
                        .host = composed.host(),
                        .run = report.run(),
                        .node = node,
                        .time_ms = composed.time_ms(),
                        .recorded_ms = now_.wall_ms,
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

void Machine::TakeInventory(Run& run, Task& task, const v1::Report& report) {
  for (const auto& one : report.inventory().snapshots()) {
    run.seen.push_back(ToBytes(one.id()));
    Put(RecoverSnapshot{{.repository = task.record.repository,
                         .snapshot = ToBytes(one.id()),
                         .source = one.source(),
                         .host = one.host(),
                         .run = one.run(),
                         .time_ms = one.time_ms(),
                         .recorded_ms = now_.wall_ms,
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

// Records the safety snapshot of a restore at once, so that the restore can be undone.
void Machine::TakeSafetySnapshot(const Task& task, const v1::Report& report) {
  const v1::SafetySnapshot& safety = report.restored().safety();
  constexpr std::size_t kIdBytes = 32;
  if (safety.snapshot().size() != kIdBytes) return;
  Put(RecoverSnapshot{{.repository = safety.repository(),
                       .snapshot = ToBytes(safety.snapshot()),
                       .source = task.record.source,
                       .host = safety.host(),
                       .run = report.run(),
                       .node = task.record.node,
                       .time_ms = safety.time_ms(),
                       .recorded_ms = now_.wall_ms,
                       .partial = safety.partial(),
                       .invalid = safety.invalid(),
                       .safety = true,
                       .items = safety.items(),
                       .files = safety.files(),
                       .bytes = safety.bytes(),
                       .missing_count = safety.missing_count(),
                       .note = fmt::format("safety snapshot before restore of {}",
                                           HexEncode(task.record.snapshot).substr(0, 8))}});
}

void Machine::TakeProbe(Agent& agent, const v1::Report& report) {
  for (const auto& source : report.probe().sources()) {
    if (std::ranges::find(agent.record.sources, source.source(), &ConfiguredSource::source) ==
        agent.record.sources.end()) {
      continue;
    }
    agent.record.healthy[source.source()] = source.healthy() && !source.has_error();
  }
  dirty_agents_.insert(agent.record.node);
}

}  // namespace holdfast::controller
