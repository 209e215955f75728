#include "controller/core/run.h"

#include "common/protocol/limits.h"
#include "common/protocol/messages.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::controller {

std::string UnitKey(const TaskRecord& task) {
  if (task.kind == OrderKind::kProbe) return "@" + task.node;
  if (task.source.empty()) return task.repository;
  return task.topology == Topology::kLocal ? task.source + "@" + task.node : task.source;
}

Unit& AddToUnit(Run& run, Task& task) {
  const auto [entry, is_new] = run.unit_of.try_emplace(UnitKey(task.record), run.units.size());
  if (is_new) {
    run.units.push_back({.source = task.record.source,
                         .repository = task.record.repository,
                         .topology = task.record.topology,
                         .host = task.record.host});
    ++run.open_units;
  }
  task.unit = entry->second;
  Unit& unit = run.units[task.unit];
  const bool is_compose = task.record.kind == OrderKind::kCompose;
  (is_compose ? unit.composes : unit.tasks).push_back(task.record.number);
  return unit;
}

v1::Report ReportOf(const TaskRecord& task) {
  v1::Report report;
  // An unreadable report is stored, too: it is the outcome of its task.
  const bool is_readable =
      protocol::DecodeMessage(task.report, "report", report) && protocol::CheckLimits(report);
  if (!is_readable) report.Clear();
  return report;
}

v1::Report ReportOf(const Task& task) { return ReportOf(task.record); }

bool IsWhole(const v1::Report& report) {
  if (!report.has_composed()) return false;
  const v1::Composed& composed = report.composed();
  return !composed.partial() && !composed.invalid() && composed.missing_count() == 0;
}

bool IsSettled(const TaskRecord& task) {
  if (task.state == TaskState::kLost) {
    return task.kind != OrderKind::kRestore && task.kind != OrderKind::kRestoreInPlace;
  }
  return task.state == TaskState::kSaved || IsFinal(task.state);
}

RunState StateOf(const Run& run) {
  std::size_t done = 0;
  std::size_t partly = 0;
  for (const Unit& unit : run.units) {
    bool has_snapshot = false;
    bool is_whole = false;
    for (const std::vector<std::uint32_t>* numbers : {&unit.tasks, &unit.composes}) {
      for (std::uint32_t number : *numbers) {
        const Task& task = run.tasks[number];
        const bool composes =
            task.record.scope == BackupScope::kOnlyPart || task.record.kind == OrderKind::kCompose;
        if (task.record.state == TaskState::kComposed && composes) {
          has_snapshot = true;
          is_whole = is_whole || task.is_whole;
        }
        if (task.record.state == TaskState::kDone && number == unit.tasks.back()) {
          has_snapshot = true;
          is_whole = is_whole || !task.is_partial;
        }
      }
    }
    done += is_whole ? 1 : 0;
    partly += has_snapshot ? 1 : 0;
  }
  if (!run.units.empty() && done == run.units.size()) return RunState::kDone;
  if (run.record.cancelled) return RunState::kCancelled;
  return partly > 0 ? RunState::kPartlyDone : RunState::kFailed;
}

}  // namespace holdfast::controller
