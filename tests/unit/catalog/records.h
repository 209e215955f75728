// Records with every field set, for tests of the catalog.
#pragma once

#include <string>
#include <vector>

#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "controller/catalog/catalog.h"
#include "controller/catalog/catalog_reader.h"
#include "controller/core/records.h"
#include "tests/support/results.h"

namespace holdfast::controller {

inline std::string PathIn(const TempDir& directory) { return directory.path() + "/catalog.db"; }

// "01J0000000000000000000000N"; sorts by `number`.
inline std::string RunName(unsigned number) { return fmt::format("01J{:023d}", number); }

inline ClusterRecord SomeCluster() {
  return {.cluster_id = "01HZX3V4J9M8QW7E5R2T1Y0PAS",
          .cluster = "prod",
          .epoch = 3,
          .root_version = 2,
          .root = {9, 8, 7}};
}

inline AgentRecord SomeAgent(const std::string& node) {
  return {.node = node,
          .incarnation = 2,
          .signing_key = Bytes(32, 1),
          .curve_key = Bytes(32, 2),
          .joined_ms = 1'700'000'000'000,
          .last_seen_ms = 1'700'000'001'000,
          .revoked = false,
          .version = "0.1.0",
          .root_version = 2,
          .sources = {{"etcd/main", "main", Topology::kReplicated},
                      {"files/app", "other", Topology::kLocal}},
          .repositories = {"main", "other"},
          .healthy = {{"etcd/main", true}, {"files/app", false}},
          .plan_sequence = 1'700'000'000'005,
          .report_sequence = ~std::uint64_t{0},  // an agent may report any value
          .report_hash = Bytes(32, 3)};
}

inline RunRecord SomeRun(unsigned number, RunState state = RunState::kRunning) {
  return {.run = RunName(number),
          .kind = OrderKind::kBackup,
          .state = state,
          .requester = "uid:1000(anna)@admin-1",
          .reason = "before the \"upgrade\"",
          .selectors = {"etcd/*", "files/app@db-1"},
          .queue_if_busy = true,
          .cancelled = false,
          .splay_ms = 500,
          .created_ms = 1'700'000'000'000 + number,
          .started_ms = 1'700'000'000'001,
          .deadline_ms = 1'700'000'009'000,
          .cut_ms = 1'700'000'000'500,
          .ended_ms = IsFinal(state) ? 1'700'000'000'900 : 0,
          .closed = IsFinal(state),
          .message = "m",
          .hint = "h",
          .repository = "r",
          .read_data = true};
}

inline TaskRecord SomeTask(unsigned run, std::uint32_t number) {
  return {
      .run = RunName(run),
      .number = number,
      .kind = OrderKind::kBackup,
      .state = TaskState::kFailed,
      .node = "db-1",
      .source = "etcd/main",
      .repository = "main",
      .topology = Topology::kSharded,
      .host = "prod",
      .round = 1,
      .scope = BackupScope::kRestWithData,
      .plan_id = Bytes(16, static_cast<std::uint8_t>(number)),
      .plan_task = 4,
      .created_ms = 5,
      .ended_ms = 6,
      .late = true,
      .cut_barrier_met = true,
      .error = TaskError{"unavailable", "read \"x\": \xe2\x9c\x93", "try again", true, true, false},
      .snapshot = Bytes(32, 7),
      .report = Bytes(1000, 8)};
}

inline PlanRecord SomePlan(unsigned run, std::uint8_t number) {
  Bytes id(16, number);
  for (unsigned i = 0; i < 4; ++i) id[i] = static_cast<std::uint8_t>(run >> (8 * i));
  return {.plan_id = id,
          .run = RunName(run),
          .node = "db-1",
          .incarnation = 2,
          .sequence = 1'700'000'000'000U + number,
          .kind = OrderKind::kBackup,
          .state = PlanState::kSent,
          .issued_ms = 1,
          .expires_ms = 2,
          .hash = Bytes(32, 4),
          .envelope = Bytes(300, 5)};
}

inline SnapshotRecord SomeSnapshot(unsigned number, const std::string& repository = "main") {
  Bytes id(32, 0);
  for (std::size_t i = 0; i < 4; ++i) id[3 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  return {.repository = repository,
          .snapshot = id,
          .source = number % 2 == 0 ? "etcd/main" : "files/app",
          .host = "prod",
          .run = RunName(number),
          .node = "db-1",
          .time_ms = 1'700'000'000'000 + number / 2,  // pairs with equal times
          .recorded_ms = 1'700'000'000'500,
          .partial = number % 10 == 0,
          .parent = Bytes(32, 6),
          .items = 3,
          .files = 2,
          .bytes = ~std::uint64_t{0},
          .missing_count = 1,
          .cut_barrier_met = true,
          .position = {{"revision", "17"}, {"raft_term", "2"}},
          .note = "n"};
}

inline DraftRecord SomeDraft(unsigned number, DraftState state = DraftState::kOpen) {
  return {.run = RunName(number),
          .kind = OrderKind::kRestoreInPlace,
          .state = state,
          .node = "db-1",
          .source = "etcd/main",
          .repository = "main",
          .plan_id = Bytes(16, 1),
          .payload = {1, 2, 3},
          .requester = "uid:1000(anna)@admin-1",
          .reason = "broken",
          .operators = 2,
          .created_ms = 1,
          .expires_ms = 2,
          .approvals = {{"anna", Bytes(32, 1), Bytes(64, 2), "uid:1000(anna)@admin-1", 3},
                        {"bob", Bytes(32, 4), Bytes(64, 5), "uid:1001(bob)@admin-2", 6}},
          .denied_by = ""};
}

inline TokenRecord SomeToken(const std::string& node) {
  return {.node = node,
          .secret_hash = Bytes(32, 1),
          .requester = "uid:0(root)@admin-1",
          .created_ms = 1,
          .expires_ms = 2};
}

inline AuditEntry SomeEntry(const std::string& run = "") {
  return {.time_ms = 1'700'000'000'000,
          .type = "run.requested",
          .actor = "controller",
          .subject = "x",
          .run = run,
          .facts = {{"k", "v"}},
          .evidence = {1}};
}

// A new catalog with its cluster and the first audit entry.
inline Catalog NewCatalog(const TempDir& directory) {
  Catalog catalog = testing::Unwrap(Catalog::Open(PathIn(directory), DatabaseMode::kCreate));
  REQUIRE_OK(catalog.Apply(std::vector<Change>{SomeCluster(), SomeEntry()}));
  return catalog;
}

inline CatalogReader ReaderOf(const TempDir& directory) {
  return testing::Unwrap(CatalogReader::Open(PathIn(directory)));
}

}  // namespace holdfast::controller
