// The runs that are not closed, and what changed in them during a step. Knows no rule: runs.h has
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "controller/core/records.h"
#include "controller/core/run.h"
#include "controller/core/step_context.h"

namespace holdfast::controller {

class RunTable {
 public:
  // Loads runs and tasks. Their units are empty until Runs resumes them.
  explicit RunTable(const Loaded& loaded);

  // By ULID, so oldest first.
  std::map<std::string, Run>& all() { return runs_; }
  const std::map<std::string, Run>& all() const { return runs_; }
  Run* Find(const std::string& run);
  const Run* Find(const std::string& run) const;
  // Adds an empty run, which is changed. Valid until Remove().
  Run& Add(const std::string& run);
  void Remove(const std::string& run) { runs_.erase(run); }

  // The unit may proceed: something changed that it waited for.
  void Touch(const Run& run, std::size_t unit) { touched_.emplace(run.record.run, unit); }
  std::optional<std::pair<std::string, std::size_t>> PopTouched();

  // Records go to the catalog with PutChanged(), however often they change in a step.
  void MarkChanged(const Run& run) { changed_runs_.insert(run.record.run); }
  void MarkChanged(const Task& task) {
    changed_tasks_.emplace(task.record.run, task.record.number);
  }
  void PutChanged(StepContext& step);

 private:
  std::map<std::string, Run> runs_;
  std::set<std::pair<std::string, std::size_t>> touched_;
  std::set<std::string> changed_runs_;
  std::set<std::pair<std::string, std::uint32_t>> changed_tasks_;
};

}  // namespace holdfast::controller
