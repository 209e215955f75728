// The daemon's journal: what an agent must still know after a crash. One SQLite file in its state
// directory, beside the plain files of interrupted restores (agent/journal/restore_journal.h),
// which the standalone verbs read, too; they never open this one.
//
// One thread at a time. What it keeps and why: agent/core/records.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/core/records.h"
#include "common/base/result.h"
#include "common/database/connection.h"
#include "common/database/schema.h"

namespace holdfast::agent {

class Journal {
 public:
  // kCreate when a node joins, kWrite ever after: a journal that is gone must not begin anew by
  // itself, because what it remembers keeps plans from running twice. kBusy while another agent has
  // it.
  static Result<Journal> Open(const std::string& path, DatabaseMode mode);

  // One transaction, durable on return; after an error nothing of it has happened.
  Result<void> Apply(std::span<const Change> changes);

  // What the core starts from. kNotFound before the first IdentityRecord.
  Result<Loaded> Load();

  // Kept reports from `first` on, ascending, at most `limit` and, but for the first of them, no
  // more than `bytes_max` of envelopes.
  Result<std::vector<ReportRecord>> Reports(std::uint64_t first, std::uint32_t limit,
                                            std::uint64_t bytes_max = 4U << 20);

  // What is wrong with the file, as FindDamage() (common/database/backup.h) says it.
  Result<std::vector<std::string>> Check();

  // The disk failed while syncing: the agent must end, and look at its next start at what is there.
  bool is_broken() const { return connection_.is_broken(); }
  const MigrationOutcome& migration() const { return migration_; }

 private:
  Journal(Connection connection, MigrationOutcome migration)
      : connection_(std::move(connection)), migration_(std::move(migration)) {}

  Result<void> Take(const IdentityRecord& record);
  Result<void> Take(const FloorRecord& record);
  Result<void> Take(const PlanRecord& record);
  Result<void> Take(const TaskRecord& record);
  Result<void> Take(const PartRecord& record);
  Result<void> Take(const SealedRecord& record);
  Result<void> Take(const ReportRecord& record);
  Result<void> Take(const EndedRunRecord& record);
  Result<void> Take(const ForgetPlan& change);
  Result<void> Take(const RemovePart& change);
  Result<void> Take(const RemoveSealed& change);
  Result<void> Take(const ForgetRun& change);
  Result<void> Take(const ReportsTaken& change);
  Result<void> Take(const ForgetReports& change);

  Connection connection_;
  MigrationOutcome migration_;
};

}  // namespace holdfast::agent
