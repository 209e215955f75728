#include "controller/daemon/admin_views.h"

#include <algorithm>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "controller/core/run.h"

namespace holdfast::controller {
namespace {

constexpr std::size_t kRunBytesMax = 2U << 20;

std::string Text(const Bytes& bytes) { return std::string(AsText(bytes)); }

constexpr std::int64_t kSilenceStepMs = 5'000;

// What operators look for comes first.
int PlaceOf(TaskState state) {
  switch (state) {
    case TaskState::kFailed:
    case TaskState::kRefused:
    case TaskState::kLost:
      return 0;
    case TaskState::kComposed:
    case TaskState::kDone:
      return 2;
    default:
      return 1;
  }
}

void FillProgress(const TaskStatus& status, v1::TaskProgress& view) {
  view.set_plan_id(Text(status.record.plan_id));
  view.set_task(status.record.plan_task);
  // The same numbers as in proto/holdfast/v1/agent.proto.
  view.set_state(static_cast<v1::TaskState>(status.state));
  view.set_phase(status.phase);
  view.set_items(status.items);
  view.set_bytes(status.bytes);
  view.set_items_total(status.items_total);
  view.set_bytes_total(status.bytes_total);
  view.set_bytes_unchanged(status.bytes_unchanged);
  view.set_bytes_per_s(status.bytes_per_s);
  view.set_seconds_left(status.seconds_left);
  view.set_cut_time_ms(status.cut_time_ms);
  view.set_cut_alone(status.cut_alone);
}

// Items and bytes; for a task that composed its part, those of the snapshot.
std::pair<std::uint64_t, std::uint64_t> CountsOf(const v1::Report& report) {
  if (report.has_restored()) return {report.restored().items(), report.restored().bytes()};
  if (report.composed().has_part()) return {report.composed().items(), report.composed().bytes()};
  return {report.saved().items(), report.saved().bytes()};
}

void FillTask(const TaskStatus& status, std::int64_t now_ms, v1::TaskView& view) {
  const TaskRecord& record = status.record;
  view.set_number(record.number);
  view.set_kind(static_cast<v1::OrderKind>(record.kind));
  view.set_node(record.node);
  view.set_source(record.source);
  view.set_repository(record.repository);
  view.set_round(record.round);
  if (record.kind == OrderKind::kBackup) {
    view.set_data(HasData(record.scope));
    view.set_rest(IsRest(record.scope));
  }
  FillProgress(status, *view.mutable_progress());
  if (status.last_received_ms != 0) {
    view.set_heard_ms(status.last_received_ms);
    // In steps, so that a watch does not send a view for each millisecond.
    const std::int64_t silent_ms = std::max<std::int64_t>(0, now_ms - status.last_received_ms);
    view.set_silent_ms(static_cast<std::uint64_t>(silent_ms / kSilenceStepMs * kSilenceStepMs));
  }
  view.set_ended_ms(record.ended_ms);
  if (record.error) {
    v1::Failure& error = *view.mutable_error();
    error.set_code(record.error->code);
    error.set_message(record.error->message);
    error.set_hint(record.error->hint);
    error.set_retryable(record.error->retryable);
    error.set_began(record.error->began);
    error.set_rolled_back(record.error->rolled_back);
  }
  view.set_snapshot(Text(record.snapshot));
  v1::Report report = ReportOf(record);
  if (report.outcome_case() != v1::Report::OUTCOME_NOT_SET) {
    const v1::Part& part = report.has_saved() ? report.saved() : report.composed().part();
    if (status.cut_time_ms == 0) view.mutable_progress()->set_cut_time_ms(part.cut_time_ms());
    const auto [items, bytes] = CountsOf(report);
    if (status.items == 0) view.mutable_progress()->set_items(items);
    if (status.bytes == 0) view.mutable_progress()->set_bytes(bytes);
    *view.mutable_report() = std::move(report);
  }
}

}  // namespace

void FillError(const Error& error, v1::AdminError& view) {
  view.set_code(std::string(ErrorCodeName(error.code())));
  view.set_message(error.message());
  view.set_hint(error.hint());
}

void FillAgent(const AgentStatus& status, v1::AgentView& view) {
  const AgentRecord& record = status.record;
  view.set_node(record.node);
  view.set_incarnation(record.incarnation);
  view.set_version(record.version);
  view.set_connected(status.connected);
  view.set_revoked(record.revoked);
  view.set_joined_ms(record.joined_ms);
  view.set_last_seen_ms(record.last_seen_ms);
  view.set_root_version(record.root_version);
  for (const ConfiguredSource& source : record.sources) {
    v1::ConfiguredSource& added = *view.add_sources();
    added.set_source(source.source);
    added.set_repository(source.repository);
    added.set_topology(std::string(TopologyName(source.topology)));
  }
  for (const std::string& repository : record.repositories) view.add_repositories(repository);
  if (status.conflict) {
    view.add_warnings("two agents use its key: revoke it, and let the right one join again");
  }
  if (!status.unsupported.empty()) {
    view.add_warnings(fmt::format(
        "its version does not support these orders: {}; upgrade holdfast-agent on this node",
        JoinTexts(status.unsupported, OrderKindName)));
  }
}

void FillRun(const RunRecord& record, v1::RunView& view) {
  view.set_run(record.run);
  view.set_kind(static_cast<v1::OrderKind>(record.kind));
  view.set_state(std::string(RunStateName(record.state)));
  view.set_requester(record.requester);
  view.set_note(record.reason);
  for (const std::string& selector : record.selectors) view.add_selectors(selector);
  view.set_repository(record.repository);
  view.set_created_ms(record.created_ms);
  view.set_started_ms(record.started_ms);
  view.set_cut_ms(record.cut_ms);
  view.set_ended_ms(record.ended_ms);
  view.set_message(record.message);
  view.set_hint(record.hint);
}

void SortByNeed(std::vector<TaskStatus>& tasks) {
  std::ranges::stable_sort(tasks, {}, [](const TaskStatus& task) { return PlaceOf(task.state); });
}

void FillTasks(std::vector<TaskStatus> tasks, std::int64_t now_ms, v1::RunView& view) {
  view.set_task_count(tasks.size());
  SortByNeed(tasks);
  std::size_t bytes = view.ByteSizeLong();
  for (const TaskStatus& task : tasks) {
    if (static_cast<std::size_t>(view.tasks_size()) >= kTasksShownMax) break;
    v1::TaskView one;
    FillTask(task, now_ms, one);
    if (bytes + one.ByteSizeLong() > kRunBytesMax && one.has_report()) {
      one.clear_report();
      view.set_reports_left_out(view.reports_left_out() + 1);
    }
    bytes += one.ByteSizeLong();
    if (bytes > kRunBytesMax) break;
    *view.add_tasks() = std::move(one);
  }
  std::sort(view.mutable_tasks()->begin(), view.mutable_tasks()->end(),
            [](const v1::TaskView& a, const v1::TaskView& b) { return a.number() < b.number(); });
}

std::size_t FillTaskPage(const std::vector<TaskStatus>& tasks, std::int64_t now_ms,
                         v1::RunView& view) {
  std::size_t taken = 0;
  std::size_t bytes = view.ByteSizeLong();
  for (const TaskStatus& task : tasks) {
    v1::TaskView one;
    FillTask(task, now_ms, one);
    bytes += one.ByteSizeLong();
    if (taken > 0 && bytes > kRunBytesMax) break;
    *view.add_tasks() = std::move(one);
    ++taken;
  }
  return taken;
}

void FillSnapshot(const SnapshotRecord& record, v1::SnapshotView& view) {
  view.set_id(Text(record.snapshot));
  view.set_repository(record.repository);
  view.set_source(record.source);
  view.set_host(record.host);
  view.set_run(record.run);
  view.set_node(record.node);
  view.set_time_ms(record.time_ms);
  view.set_partial(record.partial);
  view.set_invalid(record.invalid);
  view.set_safety(record.safety);
  view.set_parent(Text(record.parent));
  view.set_items(record.items);
  view.set_files(record.files);
  view.set_bytes(record.bytes);
  view.set_missing_count(record.missing_count);
  view.set_cut_barrier_met(record.cut_barrier_met);
  for (const auto& [name, value] : record.position) (*view.mutable_position())[name] = value;
  view.set_note(record.note);
}

void FillDraft(const DraftRecord& record, v1::DraftView& view) {
  view.set_draft(record.run);
  view.set_state(std::string(DraftStateName(record.state)));
  view.set_requester(record.requester);
  view.set_payload(Text(record.payload));
  view.set_operators(record.operators);
  for (const Approval& approval : record.approvals) view.add_persons(approval.person);
  view.set_created_ms(record.created_ms);
  view.set_expires_ms(record.expires_ms);
  view.set_denied_by(record.denied_by);
}

TaskStatus StatusOf(TaskRecord record) {
  TaskStatus status;
  status.state = record.state;
  status.record = std::move(record);
  return status;
}

}  // namespace holdfast::controller
