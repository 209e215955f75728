#include "controller/core/run_table.h"

#include <algorithm>

namespace holdfast::controller {

RunTable::RunTable(const Loaded& loaded) {
  for (const RunRecord& record : loaded.runs) runs_[record.run].record = record;
  std::vector<TaskRecord> tasks = loaded.tasks;
  std::ranges::sort(tasks, {}, &TaskRecord::number);
  for (const TaskRecord& record : tasks) {
    Run* run = Find(record.run);
    if (run == nullptr) continue;
    HF_CHECK(record.number == run->tasks.size());
    run->tasks.push_back({.record = record, .live = record.state});
  }
}

Run* RunTable::Find(const std::string& run) {
  const auto found = runs_.find(run);
  return found == runs_.end() ? nullptr : &found->second;
}

const Run* RunTable::Find(const std::string& run) const {
  const auto found = runs_.find(run);
  return found == runs_.end() ? nullptr : &found->second;
}

Run& RunTable::Add(const std::string& run) {
  Run& added = runs_[run];
  added.record.run = run;
  MarkChanged(added);
  return added;
}

std::optional<std::pair<std::string, std::size_t>> RunTable::PopTouched() {
  if (touched_.empty()) return std::nullopt;
  return std::move(touched_.extract(touched_.begin()).value());
}

void RunTable::PutChanged(StepContext& step) {
  for (const auto& [name, number] : changed_tasks_) {
    const Run* run = Find(name);
    if (run != nullptr && number < run->tasks.size()) step.Put(run->tasks[number].record);
  }
  for (const std::string& name : changed_runs_) {
    if (const Run* run = Find(name)) step.Put(run->record);
  }
  changed_tasks_.clear();
  changed_runs_.clear();
}

}  // namespace holdfast::controller
