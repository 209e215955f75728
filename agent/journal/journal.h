// The daemon's journal: the state that an agent needs after a crash. One SQLite file in its state
// directory. Interrupted restores have their own files (agent/journal/restore_journal.h), because
// standalone commands read those, but never this one.
//
// One thread at a time. Content: agent/core/records.h.
//
// This room stores; agent/core decides what to store.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/core/records.h"
#include "common/base/result.h"
#include "common/database/database.h"
#include "common/database/schema.h"

namespace holdfast::agent {

class Journal {
 public:
  // kCreate when a node joins, kWrite afterwards: a lost journal must not be recreated, because its
  // records prevent plans from running twice. kBusy if another agent has it open.
  static Result<Journal> Open(const std::string& path, DatabaseMode mode);

  // Applies all changes in one transaction, durable on return. On error, none is applied.
  Result<void> Apply(std::span<const Change> changes);

  // The state that the core starts from. kNotFound before the first IdentityRecord.
  Result<Loaded> Load();

  // Kept reports starting at `first`, in ascending order: at most `limit`, and at most `bytes_max`
  // bytes of envelopes, but at least one report.
  Result<std::vector<ReportRecord>> Reports(std::uint64_t first, std::uint32_t limit,
                                            std::uint64_t bytes_max = 4U << 20);

  // Describes damage of the file, see FindDamage() (common/database/backup.h).
  Result<std::vector<std::string>> Check();

  // A sync failed. The agent must end, and check the file at its next start.
  const MigrationOutcome& migration() const { return migration_; }

 private:
  Journal(Database connection, MigrationOutcome migration)
      : connection_(std::move(connection)), migration_(std::move(migration)) {}

  Result<void> Take(const IdentityRecord& record);
  Result<void> Take(const FloorRecord& record);
  Result<void> Take(const PlanRecord& record);
  Result<void> Take(const TaskRecord& record);
  Result<void> Take(const UncomposedPartRecord& record);
  Result<void> Take(const SealedRecord& record);
  Result<void> Take(const ReportRecord& record);
  Result<void> Take(const EndedRunRecord& record);
  Result<void> Take(const ForgetPlan& change);
  Result<void> Take(const RemovePart& change);
  Result<void> Take(const RemoveSealed& change);
  Result<void> Take(const ForgetRun& change);
  Result<void> Take(const ReportsTaken& change);
  Result<void> Take(const ForgetReports& change);

  Database connection_;
  MigrationOutcome migration_;
};

}  // namespace holdfast::agent
