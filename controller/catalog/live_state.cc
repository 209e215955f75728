#include "controller/catalog/live_state.h"

#include <utility>

#include "controller/catalog/tables.h"

namespace holdfast::controller {
Result<void> CompleteAgents(Database& connection, std::vector<AgentRecord>& agents) {
  for (AgentRecord& agent : agents) {
    HF_ASSIGN(std::vector<SourceRow> sources,
              ReadRecords<SourceRow>(connection, "WHERE node = ? ORDER BY number", agent.node));
    for (SourceRow& row : sources) agent.sources.push_back(std::move(row.source));
    HF_ASSIGN(std::vector<RepositoryRow> repositories,
              ReadRecords<RepositoryRow>(connection, "WHERE node = ? ORDER BY number", agent.node));
    for (RepositoryRow& row : repositories) agent.repositories.push_back(std::move(row.repository));
    HF_ASSIGN(std::vector<HealthRow> health,
              ReadRecords<HealthRow>(connection, "WHERE node = ? ORDER BY source", agent.node));
    for (HealthRow& row : health) agent.healthy[std::move(row.source)] = row.healthy;
  }
  return {};
}

Result<void> CompleteDrafts(Database& connection, std::vector<DraftRecord>& drafts) {
  for (DraftRecord& draft : drafts) {
    HF_ASSIGN(std::vector<ApprovalRow> approvals,
              ReadRecords<ApprovalRow>(connection, "WHERE run = ? ORDER BY number", draft.run));
    for (ApprovalRow& row : approvals) draft.approvals.push_back(std::move(row.approval));
  }
  return {};
}

Result<std::vector<TaskRecord>> ReadTasks(Statement statement) {
  HF_ASSIGN(std::vector<TaskRow> rows, ReadRecords<TaskRow>(std::move(statement)));
  std::vector<TaskRecord> tasks;
  for (auto& [task, scope] : rows) {
    scope.sharded = task.topology == Topology::kSharded;
    if (task.kind == OrderKind::kBackup) task.scope = ScopeOf(scope);
    tasks.push_back(std::move(task));
  }
  return tasks;
}

Result<Loaded> LoadLiveState(Database& connection) {
  HF_ASSIGN(Transaction moment, Transaction::Begin(connection));
  Loaded loaded;
  HF_ASSIGN(std::vector<ClusterRecord> clusters, ReadRecords<ClusterRecord>(connection, ""));
  if (!clusters.empty()) loaded.cluster = std::move(clusters.front());
  HF_ASSIGN(loaded.roots, ReadRecords<RootRecord>(connection, "ORDER BY version"));
  HF_ASSIGN(loaded.agents, ReadRecords<AgentRecord>(connection, "ORDER BY node"));
  HF_TRY(CompleteAgents(connection, loaded.agents));
  HF_ASSIGN(loaded.runs, ReadRecords<RunRecord>(connection, "WHERE closed = 0 ORDER BY run"));
  HF_ASSIGN(Statement tasks, connection.Query(SelectText<TaskRow>(
                                 "WHERE run IN (SELECT run FROM run WHERE closed = 0) "
                                 "ORDER BY run, number")));
  HF_ASSIGN(loaded.tasks, ReadTasks(std::move(tasks)));
  HF_ASSIGN(loaded.plans,
            ReadRecords<PlanRecord>(connection,
                                    "WHERE run IN (SELECT run FROM run WHERE closed = 0) "
                                    "ORDER BY run, plan_id"));
  HF_ASSIGN(loaded.drafts, ReadRecords<DraftRecord>(connection, "WHERE state = 1 ORDER BY run"));
  HF_TRY(CompleteDrafts(connection, loaded.drafts));
  HF_ASSIGN(loaded.tokens, ReadRecords<TokenRecord>(connection, "ORDER BY node"));
  return loaded;
}

}  // namespace holdfast::controller
