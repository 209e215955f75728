// The controller's memory: what its core decides on, stored durably, with the audit of every change
// in the same transaction. It can always be rebuilt from repositories and agents; docs/catalog.md
// says what is lost then.
//
// A Catalog is its file's only writer. Readers open a CatalogReader
// (controller/catalog/catalog_reader.h). One thread at a time.
//
// This room stores. Start here, then catalog_reader.h for queries and tables.h for the tables. It
// must not decide: controller/core does.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/base/result.h"
#include "common/database/database.h"
#include "common/database/schema.h"
#include "controller/core/records.h"

namespace holdfast::controller {

class Catalog {
 public:
  // kWrite opens an existing catalog, kCreate creates a missing one. Migrates older tables first
  // (common/database/schema.h). kBusy while another process writes to it.
  static Result<Catalog> Open(const std::string& path, DatabaseMode mode);

  // One transaction, durable on return; after an error, nothing has changed. Changes take effect in
  // order. One call may have several steps of the core: a commit costs one sync, whatever its size.
  // kInternal for a change of a record that does not exist.
  Result<void> Apply(std::span<const Change> changes);

  // What the core starts from: all that is not over. Does not read the history, however long it is.
  Result<Loaded> Load();

  // What Open() did to older tables.
  const MigrationOutcome& migration() const { return migration_; }
  // Of the newest audit event; 0 without events.
  std::uint64_t audit_sequence() const { return audit_sequence_; }
  // A sync failed: the controller must exit, and read at its next start what is on the disk.
  bool is_broken() const { return connection_.is_broken(); }
  const std::string& path() const { return connection_.options().path; }

 private:
  Catalog(Database connection, MigrationOutcome migration)
      : connection_(std::move(connection)), migration_(std::move(migration)) {}
  Result<void> ReadAuditPosition();
  Result<void> ApplyOne(const Change& change);

  Result<void> Take(const ClusterRecord& record);
  Result<void> Take(const RootRecord& record);
  Result<void> Take(const AgentRecord& record);
  Result<void> Take(const RunRecord& record);
  Result<void> Take(const TaskRecord& record);
  Result<void> Take(const PlanRecord& record);
  Result<void> Take(const SnapshotRecord& record);
  Result<void> Take(const DraftRecord& record);
  Result<void> Take(const TokenRecord& record);
  Result<void> Take(const AuditEntry& entry);
  Result<void> Take(const PlanAnswered& change);
  Result<void> Take(const PlanSequence& change);
  Result<void> Take(const ReportCursor& change);
  Result<void> Take(const LastSeen& change);
  Result<void> Take(const RemoveToken& change);
  Result<void> Take(const RemoveSnapshot& change);
  Result<void> Take(const RecoverRun& change);
  Result<void> Take(const RecoverSnapshot& change);
  Result<void> Take(const InventoryEnded& change);
  // kInternal unless the last statement changed a row.
  Result<void> ExpectChange(std::string_view what, std::string_view which) const;

  Database connection_;
  MigrationOutcome migration_;
  std::string origin_;  // of audit events: the cluster's id; empty until it is known
  std::uint64_t audit_sequence_ = 0;
};

}  // namespace holdfast::controller
