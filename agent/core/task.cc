#include "agent/core/task.h"

#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {

bool IsRestore(const Task& task) {
  return task.kind == OrderKind::kRestore || task.kind == OrderKind::kRestoreInPlace;
}

std::string TimerName(const TaskKey& key) {
  return std::string(AsText(key.plan_id)) + "/" + std::to_string(key.task);
}

v1::Report ReportOf(const Task& task) {
  v1::Report report = ReportOf(*task.plan, task.key.task);
  report.set_source(task.source);
  report.set_repository(task.repository);
  return report;
}

}  // namespace holdfast::agent
