// The controller's memory: what its core decides on, durably, with the audit of every change in the
// same transaction. Always rebuildable from repositories and agents; what is lost then and what is
// not: docs/catalog.md.
//
// A Catalog is the file's one writer; whoever only wants to read opens a CatalogReader
// (controller/catalog/catalog_reader.h). One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/base/result.h"
#include "common/database/connection.h"
#include "common/database/schema.h"
#include "controller/core/records.h"

namespace holdfast::controller {

class Catalog {
 public:
  // kWrite takes a catalog that is there, kCreate makes one where there is none. Older tables are
  // brought up to date first (common/database/schema.h). kBusy while another process writes to it.
  static Result<Catalog> Open(const std::string& path, DatabaseMode mode);

  // One transaction, durable on return; after an error nothing of it has happened. Changes take
  // effect in their order. Several steps of the core may go in one call: a commit costs the disk a
  // sync, whatever it holds. kInternal for a change of a record that is not there.
  Result<void> Apply(std::span<const Change> changes);

  // What the core starts from: all that is not over. History is not touched, however much there is.
  Result<Loaded> Load();

  // What the opening did about older tables.
  const MigrationOutcome& migration() const { return migration_; }
  // Of the newest audit event; 0 before the first.
  std::uint64_t audit_sequence() const { return audit_sequence_; }
  // The disk failed while syncing: the controller must end, and look at its next start at what is
  // there.
  bool is_broken() const { return connection_.is_broken(); }
  const std::string& path() const { return connection_.options().path; }
  // Between two steps that are far apart: moves the log into the file.
  Result<void> Checkpoint() { return connection_.Checkpoint(); }

 private:
  Catalog(Connection connection, MigrationOutcome migration)
      : connection_(std::move(connection)), migration_(std::move(migration)) {}
  Result<void> FindPlace();
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

  Connection connection_;
  MigrationOutcome migration_;
  std::string origin_;  // of audit events: the cluster's id; empty before it is known
  std::uint64_t audit_sequence_ = 0;
};

}  // namespace holdfast::controller
