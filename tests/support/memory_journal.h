// An agent's in-memory journal. Applies a core's changes transaction by transaction, like the real
// one, and loads a new core's state.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "agent/core/events.h"
#include "agent/core/records.h"

namespace holdfast::testing {

struct MemoryJournal {
  agent::IdentityRecord identity;
  std::map<Bytes, std::uint64_t> floors;
  std::map<Bytes, agent::PlanRecord> plans;
  std::map<agent::TaskKey, agent::TaskRecord> tasks;
  std::map<agent::TaskKey, agent::UncomposedPartRecord> parts;
  std::map<std::tuple<std::string, std::string, std::string>, agent::SealedRecord> sealed;
  std::map<std::string, agent::EndedRunRecord> ended_runs;
  std::map<std::uint64_t, agent::ReportRecord> reports;
  std::uint64_t taken = 0;

  void Apply(const std::vector<agent::Change>& changes) {
    for (const agent::Change& change : changes) {
      std::visit([this](const auto& one) { Put(one); }, change);
    }
  }

  agent::Loaded Load() const {
    agent::Loaded loaded;
    loaded.identity = identity;
    for (const auto& [key, sequence] : floors) loaded.floors.push_back({key, sequence});
    for (const auto& [key, record] : plans) loaded.plans.push_back(record);
    for (const auto& [key, record] : tasks) loaded.tasks.push_back(record);
    for (const auto& [key, record] : parts) loaded.parts.push_back(record);
    for (const auto& [key, record] : sealed) loaded.sealed.push_back(record);
    for (const auto& [key, record] : ended_runs) loaded.ended_runs.push_back(record);
    loaded.reports_taken = taken;
    loaded.reports_oldest = reports.empty() ? 0 : reports.begin()->first;
    for (auto record = reports.upper_bound(taken); record != reports.end(); ++record) {
      loaded.reports.push_back(record->second);
    }
    return loaded;
  }
  std::vector<agent::ReportRecord> ReportsFrom(std::uint64_t first, std::size_t limit) const {
    std::vector<agent::ReportRecord> found;
    for (auto record = reports.lower_bound(first); record != reports.end() && found.size() < limit;
         ++record) {
      found.push_back(record->second);
    }
    return found;
  }

 private:
  void Put(const agent::IdentityRecord& record) { identity = record; }
  void Put(const agent::FloorRecord& record) { floors[record.key_id] = record.sequence; }
  void Put(const agent::PlanRecord& record) { plans[record.plan_id] = record; }
  void Put(const agent::TaskRecord& record) { tasks[{record.plan_id, record.task}] = record; }
  void Put(const agent::UncomposedPartRecord& record) {
    parts[{record.plan_id, record.task}] = record;
  }
  void Put(const agent::SealedRecord& record) {
    sealed[{record.run, record.source, record.repository}] = record;
  }
  void Put(const agent::ReportRecord& record) { reports[record.sequence] = record; }
  void Put(const agent::EndedRunRecord& record) { ended_runs[record.run] = record; }
  void Put(const agent::ForgetPlan& change) {
    plans.erase(change.plan_id);
    std::erase_if(tasks, [&](const auto& one) { return one.first.plan_id == change.plan_id; });
    std::erase_if(parts, [&](const auto& one) { return one.first.plan_id == change.plan_id; });
  }
  void Put(const agent::RemovePart& change) { parts.erase({change.plan_id, change.task}); }
  void Put(const agent::RemoveSealed& change) {
    sealed.erase({change.run, change.source, change.repository});
  }
  void Put(const agent::ForgetRun& change) { ended_runs.erase(change.run); }
  void Put(const agent::ReportsTaken& change) { taken = change.sequence; }
  void Put(const agent::ForgetReports& change) {
    std::erase_if(reports, [&](const auto& one) {
      return one.first <= taken && one.second.time_ms < change.before_ms;
    });
  }
};

}  // namespace holdfast::testing
