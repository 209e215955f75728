#include "agent/journal/journal.h"

#include <algorithm>
#include <utility>

#include "agent/journal/journal_tables.h"
#include "common/base/format.h"
#include "common/database/backup.h"

namespace holdfast::agent {
namespace {

constexpr char kTakenSql[] = "SELECT coalesce((SELECT sequence FROM reports_taken), 0)";

}  // namespace

Result<Journal> Journal::Open(const std::string& path, DatabaseMode mode) {
  HF_CHECK(mode != DatabaseMode::kRead);
  HF_ASSIGN(Database connection, Database::Open(JournalOptions(path), mode));
  HF_ASSIGN(MigrationOutcome migration, Migrate(connection, JournalMigrations()));
  return Journal(std::move(connection), std::move(migration));
}

Result<void> Journal::Apply(std::span<const Change> changes) {
  HF_ASSIGN(Transaction transaction, Transaction::Begin(connection_));
  for (const Change& change : changes) {
    HF_TRY(std::visit([&](const auto& one) { return Take(one); }, change));
  }
  return transaction.Commit();
}

Result<Loaded> Journal::Load() {
  Loaded loaded;
  HF_ASSIGN(std::vector<IdentityRecord> identities, ReadRecords<IdentityRecord>(connection_, ""));
  if (identities.empty()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("journal {}: this node has joined no cluster",
                            Quote(connection_.options().path)),
                "create a token with `holdfast agent token NODE`, then run `holdfast-agent join`");
  }
  loaded.identity = std::move(identities.front());
  HF_ASSIGN(loaded.floors, ReadRecords<FloorRecord>(connection_, "ORDER BY key_id"));
  HF_ASSIGN(loaded.plans, ReadRecords<PlanRecord>(connection_, "ORDER BY plan_id"));
  HF_ASSIGN(loaded.tasks, ReadRecords<TaskRecord>(connection_, "ORDER BY plan_id, task"));
  HF_ASSIGN(loaded.parts, ReadRecords<UncomposedPartRecord>(connection_, "ORDER BY plan_id, task"));
  HF_ASSIGN(loaded.sealed,
            ReadRecords<SealedRecord>(connection_, "ORDER BY run, source, repository"));
  HF_ASSIGN(loaded.ended_runs, ReadRecords<EndedRunRecord>(connection_, "ORDER BY run"));
  HF_ASSIGN(loaded.reports_taken, connection_.Value<std::uint64_t>(kTakenSql));
  HF_ASSIGN(loaded.reports_oldest,
            connection_.Value<std::uint64_t>("SELECT coalesce(min(sequence), 0) FROM report"));
  HF_ASSIGN(loaded.reports,
            ReadRecords<ReportRecord>(connection_, "WHERE sequence > ? ORDER BY sequence",
                                      StoredInteger(loaded.reports_taken)));
  return loaded;
}

Result<std::vector<ReportRecord>> Journal::Reports(std::uint64_t first, std::uint32_t limit,
                                                   std::uint64_t bytes_max) {
  HF_ASSIGN(
      Statement row,
      connection_.Query(SelectText<ReportRecord>("WHERE sequence >= ? ORDER BY sequence LIMIT ?"),
                        StoredInteger(first), limit));
  std::vector<ReportRecord> reports;
  std::uint64_t bytes = 0;
  for (;;) {
    HF_ASSIGN(bool has_row, row.Next());
    if (!has_row) return reports;
    HF_ASSIGN(ReportRecord report, ReadRecord<ReportRecord>(row));
    bytes += report.envelope.size();
    if (!reports.empty() && bytes > bytes_max) return reports;
    reports.push_back(std::move(report));
  }
}

Result<std::vector<std::string>> Journal::Check() {
  return FindDamage(connection_, CheckDepth::kFull);
}

Result<void> Journal::Take(const IdentityRecord& record) { return PutRecord(connection_, record); }

Result<void> Journal::Take(const FloorRecord& record) { return PutRecord(connection_, record); }

Result<void> Journal::Take(const PlanRecord& record) { return PutRecord(connection_, record); }

Result<void> Journal::Take(const TaskRecord& record) { return PutRecord(connection_, record); }

Result<void> Journal::Take(const UncomposedPartRecord& record) {
  return PutRecord(connection_, record);
}

Result<void> Journal::Take(const SealedRecord& record) { return PutRecord(connection_, record); }

Result<void> Journal::Take(const ReportRecord& record) { return PutRecord(connection_, record); }

Result<void> Journal::Take(const EndedRunRecord& record) { return PutRecord(connection_, record); }

Result<void> Journal::Take(const ForgetPlan& change) {
  for (const char* table :
       {"DELETE FROM part WHERE plan_id = ?", "DELETE FROM task WHERE plan_id = ?",
        "DELETE FROM plan WHERE plan_id = ?"}) {
    HF_TRY(connection_.Run(table, change.plan_id));
  }
  return {};
}

Result<void> Journal::Take(const RemovePart& change) {
  return connection_.Run("DELETE FROM part WHERE plan_id = ? AND task = ?", change.plan_id,
                         change.task);
}

Result<void> Journal::Take(const RemoveSealed& change) {
  return connection_.Run("DELETE FROM sealed WHERE run = ? AND source = ? AND repository = ?",
                         change.run, change.source, change.repository);
}

Result<void> Journal::Take(const ForgetRun& change) {
  return connection_.Run("DELETE FROM ended_run WHERE run = ?", change.run);
}

Result<void> Journal::Take(const ReportsTaken& change) {
  return connection_.Run(
      "INSERT INTO reports_taken(sequence) VALUES (?) ON CONFLICT(id) DO UPDATE "
      "SET sequence = excluded.sequence",
      StoredInteger(change.sequence));
}

Result<void> Journal::Take(const ForgetReports& change) {
  // Times may not ascend, but sequences do. Deleting by sequence leaves no gaps.
  return connection_.Run(
      "DELETE FROM report WHERE sequence <= (SELECT sequence FROM reports_taken) AND sequence < "
      "coalesce((SELECT min(sequence) FROM report WHERE time_ms >= ?), 9223372036854775807)",
      change.before_ms);
}

}  // namespace holdfast::agent
