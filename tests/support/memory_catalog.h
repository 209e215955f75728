// An in-memory catalog. Applies a controller core's changes transaction by transaction, like the
// real one, and loads a new core's state. Checks the invariants of a catalog.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "controller/core/records.h"

namespace holdfast::testing {

struct MemoryCatalog {
  controller::ClusterRecord cluster;
  std::map<std::uint64_t, controller::RootRecord> roots;
  std::map<std::string, controller::AgentRecord> agents;
  std::map<std::string, controller::RunRecord> runs;
  std::map<std::pair<std::string, std::uint32_t>, controller::TaskRecord> tasks;
  std::map<Bytes, controller::PlanRecord> plans;
  std::map<std::pair<std::string, Bytes>, controller::SnapshotRecord> snapshots;
  std::map<std::string, controller::DraftRecord> drafts;
  std::map<std::string, controller::TokenRecord> tokens;
  std::vector<controller::AuditEntry> audit;

  void Apply(const std::vector<controller::Change>& changes) {
    for (const controller::Change& change : changes) {
      std::visit([this](const auto& one) { Put(one); }, change);
    }
  }

  controller::Loaded Load() const {
    controller::Loaded loaded;
    loaded.cluster = cluster;
    for (const auto& [key, record] : roots) loaded.roots.push_back(record);
    for (const auto& [key, record] : agents) loaded.agents.push_back(record);
    for (const auto& [key, record] : runs) {
      if (!record.closed) loaded.runs.push_back(record);
    }
    auto is_open = [this](const std::string& run) {
      auto found = runs.find(run);
      return found != runs.end() && !found->second.closed;
    };
    for (const auto& [key, record] : tasks) {
      if (is_open(record.run)) loaded.tasks.push_back(record);
    }
    for (const auto& [key, record] : plans) {
      if (is_open(record.run)) loaded.plans.push_back(record);
    }
    for (const auto& [key, record] : drafts) {
      if (record.state == controller::DraftState::kOpen) loaded.drafts.push_back(record);
    }
    for (const auto& [key, record] : tokens) loaded.tokens.push_back(record);
    return loaded;
  }

 private:
  void Put(const controller::ClusterRecord& record) { cluster = record; }
  void Put(const controller::RootRecord& record) { roots[record.version] = record; }
  void Put(const controller::AgentRecord& record) { agents[record.node] = record; }
  void Put(const controller::RunRecord& record) { runs[record.run] = record; }
  void Put(const controller::TaskRecord& record) { tasks[{record.run, record.number}] = record; }
  void Put(const controller::PlanRecord& record) { plans[record.plan_id] = record; }
  void Put(const controller::SnapshotRecord& record) {
    snapshots[{record.repository, record.snapshot}] = record;
  }
  void Put(const controller::DraftRecord& record) { drafts[record.run] = record; }
  void Put(const controller::TokenRecord& record) { tokens[record.node] = record; }
  void Put(const controller::AuditEntry& entry) { audit.push_back(entry); }
  void Put(const controller::PlanAnswered& change) {
    plans.at(change.plan_id).state = change.state;
  }
  void Put(const controller::PlanSequence& change) {
    agents.at(change.node).plan_sequence = change.sequence;
  }
  void Put(const controller::ReportCursor& change) {
    agents.at(change.node).report_sequence = change.sequence;
    agents.at(change.node).report_hash = change.hash;
  }
  void Put(const controller::LastSeen& change) {
    for (const auto& [node, time_ms] : change.nodes) agents.at(node).last_seen_ms = time_ms;
  }
  void Put(const controller::RemoveToken& change) { tokens.erase(change.node); }
  void Put(const controller::RemoveSnapshot& change) {
    snapshots.erase({change.repository, change.snapshot});
  }
  void Put(const controller::RecoverRun& change) {
    auto [found, is_new] = runs.try_emplace(change.run.run, change.run);
    controller::RunRecord& run = found->second;
    if (!is_new && run.requester.empty() && run.state == controller::RunState::kDone &&
        change.run.state == controller::RunState::kPartlyDone) {
      run.state = change.run.state;
    }
  }
  void Put(const controller::RecoverSnapshot& change) {
    auto [found, is_new] = snapshots.try_emplace(
        {change.snapshot.repository, change.snapshot.snapshot}, change.snapshot);
    if (is_new) return;
    auto fill = [&](auto member) {
      auto& value = found->second.*member;
      if (value == std::remove_cvref_t<decltype(value)>{}) value = change.snapshot.*member;
    };
    using Record = controller::SnapshotRecord;
    for (auto text : {&Record::source, &Record::host, &Record::run, &Record::node, &Record::note})
      fill(text);
    fill(&Record::time_ms);
    fill(&Record::parent);
    fill(&Record::items);
    fill(&Record::files);
    fill(&Record::bytes);
    fill(&Record::missing_count);
    fill(&Record::cut_barrier_met);
    fill(&Record::position);
  }
  void Put(const controller::InventoryEnded& change) {
    std::erase_if(snapshots, [&](const auto& one) {
      const controller::SnapshotRecord& record = one.second;
      return record.repository == change.repository && record.recorded_ms < change.begun_ms &&
             !std::ranges::binary_search(change.seen, record.snapshot);
    });
  }
};

}  // namespace holdfast::testing
