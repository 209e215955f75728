#include "controller/catalog/catalog.h"

#include <algorithm>
#include <utility>

#include "common/audit/event.h"
#include "common/base/format.h"
#include "controller/catalog/live_state.h"
#include "controller/catalog/schema.h"
#include "controller/catalog/tables.h"

namespace holdfast::controller {
namespace {

std::int64_t Stored(std::uint64_t value) { return ColumnOf<std::uint64_t>::Encode(value); }

}  // namespace

Result<Catalog> Catalog::Open(const std::string& path, DatabaseMode mode) {
  HF_CHECK(mode != DatabaseMode::kRead);
  HF_ASSIGN(Database connection, Database::Open(CatalogOptions(path), mode));
  HF_ASSIGN(MigrationOutcome migration, Migrate(connection, CatalogMigrations()));
  Catalog catalog(std::move(connection), std::move(migration));
  HF_TRY(catalog.ReadAuditPosition());
  return catalog;
}

Result<void> Catalog::ReadAuditPosition() {
  HF_ASSIGN(audit_sequence_,
            connection_.Value<std::uint64_t>("SELECT coalesce(max(sequence), 0) FROM audit"));
  HF_ASSIGN(origin_, connection_.Value<std::string>(
                         "SELECT coalesce((SELECT cluster_id FROM cluster), '')"));
  return {};
}

Result<void> Catalog::Apply(std::span<const Change> changes) {
  HF_ASSIGN(Transaction transaction, Transaction::Begin(connection_));
  std::uint64_t sequence_before = audit_sequence_;
  std::string origin_before = origin_;
  Result<void> applied;
  for (const Change& change : changes) {
    if (applied) applied = ApplyOne(change);
  }
  if (applied) applied = transaction.Commit();
  if (!applied) {
    audit_sequence_ = sequence_before;
    origin_ = std::move(origin_before);
  }
  return applied;
}

Result<void> Catalog::ApplyOne(const Change& change) {
  return std::visit([&](const auto& one) { return Take(one); }, change);
}

Result<Loaded> Catalog::Load() { return LoadLiveState(connection_); }

Result<void> Catalog::Take(const ClusterRecord& record) {
  if (!origin_.empty() && origin_ != record.cluster_id) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("this catalog belongs to the cluster {} and not to {}", Quote(origin_),
                            Quote(record.cluster_id)),
                "each cluster has its own catalog; check the path");
  }
  origin_ = record.cluster_id;
  return PutRecord(connection_, record);
}

Result<void> Catalog::Take(const AgentRecord& record) {
  HF_TRY(PutRecord(connection_, record));
  for (const char* table :
       {"DELETE FROM agent_source WHERE node = ?", "DELETE FROM agent_repository WHERE node = ?",
        "DELETE FROM agent_health WHERE node = ?"}) {
    HF_TRY(connection_.Run(table, record.node));
  }
  std::uint32_t number = 0;
  for (const ConfiguredSource& source : record.sources) {
    HF_TRY(PutRecord(connection_, SourceRow{record.node, number++, source}));
  }
  number = 0;
  for (const std::string& repository : record.repositories) {
    HF_TRY(PutRecord(connection_, RepositoryRow{record.node, number++, repository}));
  }
  for (const auto& [source, healthy] : record.healthy) {
    HF_TRY(PutRecord(connection_, HealthRow{record.node, source, healthy}));
  }
  return {};
}

Result<void> Catalog::Take(const RootRecord& record) { return PutRecord(connection_, record); }
Result<void> Catalog::Take(const TaskRecord& record) {
  TaskRow row{.task = record};
  if (record.kind == OrderKind::kBackup) {
    row.scope = {.data = HasData(record.scope),
                 .rest = IsRest(record.scope),
                 .compose = record.scope == BackupScope::kOnlyPart};
  }
  return PutRecord(connection_, row);
}
Result<void> Catalog::Take(const PlanRecord& record) { return PutRecord(connection_, record); }
Result<void> Catalog::Take(const SnapshotRecord& record) { return PutRecord(connection_, record); }
Result<void> Catalog::Take(const TokenRecord& record) { return PutRecord(connection_, record); }

// An ended run is the last run of each of its sources, unless a newer one has already ended. A step
// outputs the tasks of a run before the run.
Result<void> Catalog::Take(const RunRecord& record) {
  HF_TRY(PutRecord(connection_, record));
  if (record.kind != OrderKind::kBackup || !IsFinal(record.state)) return {};
  return connection_.Run(
      "INSERT INTO source_run(source, node, run) "
      "SELECT DISTINCT source, iif(topology = ?, node, ''), run FROM task "
      "WHERE run = ? AND kind = ? AND source <> '' "
      "ON CONFLICT(source, node) DO UPDATE SET run = excluded.run WHERE excluded.run > run",
      Topology::kLocal, record.run, OrderKind::kBackup);
}

Result<void> Catalog::Take(const DraftRecord& record) {
  HF_TRY(PutRecord(connection_, record));
  HF_TRY(connection_.Run("DELETE FROM approval WHERE run = ?", record.run));
  std::uint32_t number = 0;
  for (const Approval& approval : record.approvals) {
    HF_TRY(PutRecord(connection_, ApprovalRow{record.run, number++, approval}));
  }
  return {};
}

Result<void> Catalog::Take(const AuditEntry& entry) {
  if (origin_.empty()) {
    return Fail(ErrorCode::kInternal, "an audit event before its cluster is known");
  }
  AuditEvent event{.origin = origin_,
                   .sequence = audit_sequence_ + 1,
                   .time_ms = entry.time_ms,
                   .type = entry.type,
                   .actor = entry.actor,
                   .subject = entry.subject,
                   .run = entry.run,
                   .facts = entry.facts,
                   .evidence = entry.evidence};
  Bytes bytes = EncodeAuditEvent(event);
  HF_TRY(connection_.Run(
      "INSERT INTO audit(sequence, time_ms, type, run, bytes, leaf) VALUES (?, ?, ?, ?, ?, ?)",
      event.sequence, event.time_ms, event.type, event.run, bytes, AuditLeaf(bytes)));
  ++audit_sequence_;
  return {};
}

Result<void> Catalog::ExpectChange(std::string_view what, std::string_view which) const {
  if (connection_.changed_rows() == 1) return {};
  return Fail(ErrorCode::kInternal, fmt::format("the catalog has no {} {}", what, Quote(which)));
}

Result<void> Catalog::Take(const PlanAnswered& change) {
  HF_TRY(
      connection_.Run("UPDATE plan SET state = ? WHERE plan_id = ?", change.state, change.plan_id));
  return ExpectChange("plan", HexEncode(change.plan_id));
}

Result<void> Catalog::Take(const PlanSequence& change) {
  HF_TRY(connection_.Run("UPDATE agent SET plan_sequence = ? WHERE node = ?",
                         Stored(change.sequence), change.node));
  return ExpectChange("agent", change.node);
}

Result<void> Catalog::Take(const ReportCursor& change) {
  HF_TRY(connection_.Run("UPDATE agent SET report_sequence = ?, report_hash = ? WHERE node = ?",
                         Stored(change.sequence), change.hash, change.node));
  return ExpectChange("agent", change.node);
}

Result<void> Catalog::Take(const LastSeen& change) {
  for (const auto& [node, time_ms] : change.nodes) {
    HF_TRY(connection_.Run("UPDATE agent SET last_seen_ms = ? WHERE node = ?", time_ms, node));
    HF_TRY(ExpectChange("agent", node));
  }
  return {};
}

Result<void> Catalog::Take(const RemoveToken& change) {
  return connection_.Run("DELETE FROM token WHERE node = ?", change.node);
}

Result<void> Catalog::Take(const RemoveSnapshot& change) {
  return connection_.Run("DELETE FROM snapshot WHERE repository = ? AND snapshot = ?",
                         change.repository, change.snapshot);
}

Result<void> Catalog::Take(const RecoverRun& change) {
  HF_ASSIGN(const bool is_new, AddRecord(connection_, change.run));
  if (is_new || change.run.state != RunState::kPartlyDone) return {};
  // Only a recovered run has no requester.
  return connection_.Run("UPDATE run SET state = ? WHERE run = ? AND state = ? AND requester = ''",
                         change.run.state, change.run.run, RunState::kDone);
}

Result<void> Catalog::Take(const RecoverSnapshot& change) {
  const SnapshotRecord& reported = change.snapshot;
  HF_ASSIGN(const bool is_new, AddRecord(connection_, reported));
  if (is_new) return {};
  return connection_.Run(
      "UPDATE snapshot SET source = iif(source = '', ?, source), host = iif(host = '', ?, host), "
      "run = iif(run = '', ?, run), node = iif(node = '', ?, node), "
      "time_ms = iif(time_ms = 0, ?, time_ms), parent = iif(length(parent) = 0, ?, parent), "
      "items = iif(items = 0, ?, items), bytes = iif(bytes = 0, ?, bytes), "
      "missing_count = iif(missing_count = 0, ?, missing_count), "
      "cut_barrier_met = iif(cut_barrier_met = 0, ?, cut_barrier_met), "
      "position = iif(position = '{}', ?, position), note = iif(note = '', ?, note), "
      "invalid = max(invalid, ?), safety = max(safety, ?), files = iif(files = 0, ?, files) "
      "WHERE repository = ? AND snapshot = ?",
      reported.source, reported.host, reported.run, reported.node, reported.time_ms,
      reported.parent, Stored(reported.items), Stored(reported.bytes),
      Stored(reported.missing_count), reported.cut_barrier_met,
      ColumnOf<std::map<std::string, std::string>>::Encode(reported.position), reported.note,
      reported.invalid, reported.safety, Stored(reported.files), reported.repository,
      reported.snapshot);
}

Result<void> Catalog::Take(const InventoryEnded& change) {
  std::vector<Bytes> gone;
  {
    HF_ASSIGN(Statement known,
              connection_.Query("SELECT snapshot FROM snapshot WHERE repository = ? AND "
                                "recorded_ms < ?",
                                change.repository, change.begun_ms));
    for (;;) {
      HF_ASSIGN(bool has_row, known.Next());
      if (!has_row) break;
      Bytes snapshot;
      HF_TRY(known.Read(snapshot));
      if (!std::ranges::binary_search(change.seen, snapshot)) gone.push_back(std::move(snapshot));
    }
  }
  for (const Bytes& snapshot : gone) {
    HF_TRY(Take(RemoveSnapshot{change.repository, snapshot}));
  }
  return {};
}

}  // namespace holdfast::controller
