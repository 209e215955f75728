#include "agent/journal/plan_log.h"

#include <array>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/database/record.h"
#include "common/database/schema.h"

namespace holdfast {
namespace agent {
namespace {

struct PlanRow {
  crypto::KeyId controller_key{};
  Bytes plan_id;
  std::uint64_t sequence = 0;
  crypto::Digest hash{};
  std::int64_t expires_ms = 0;
};

}  // namespace
}  // namespace agent

template <>
struct TableOf<agent::PlanRow> {
  static constexpr std::string_view kName = "plan";
  static constexpr std::string_view kKey = "plan_id";
  static constexpr std::array kColumns = {"controller_key", "plan_id", "sequence", "hash",
                                          "expires_ms"};
  static auto Fields(auto& r) {
    return std::tie(r.controller_key, r.plan_id, r.sequence, r.hash, r.expires_ms);
  }
};

namespace agent {
namespace {

constexpr std::uint32_t kPlanLogApplicationId = 0x4846506c;  // "HFPl"

constexpr std::string_view kPlanLogVersion1 = R"sql(
CREATE TABLE plan(
  plan_id        BLOB    NOT NULL PRIMARY KEY CHECK (length(plan_id) = 16),
  controller_key BLOB    NOT NULL CHECK (length(controller_key) = 32),
  sequence       INTEGER NOT NULL,
  hash           BLOB    NOT NULL CHECK (length(hash) = 32),
  expires_ms     INTEGER NOT NULL,
  outcome        BLOB,  -- NULL until it has ended
  UNIQUE (controller_key, sequence)
) STRICT;
CREATE TABLE floor(
  controller_key BLOB    NOT NULL PRIMARY KEY CHECK (length(controller_key) = 32),
  sequence       INTEGER NOT NULL
) STRICT;
)sql";

constexpr std::array kPlanLogMigrations = {
    Migration{"first tables", kPlanLogVersion1},
};

DatabaseOptions Options(const std::string& path) {
  return {.path = path,
          .what = "log of restore plans",
          .application_id = kPlanLogApplicationId,
          .corrupt_hint =
              "move it away and join the cluster again with a new token: the node then refuses all "
              "plans made so far, and no plan can run twice",
          .holder = "holdfast-agent restore-helper"};
}

}  // namespace

Result<PlanLog> PlanLog::Open(const std::string& path) {
  HF_ASSIGN(Database connection, Database::Open(Options(path), DatabaseMode::kCreate));
  HF_TRY(Migrate(connection, kPlanLogMigrations));
  PlanLog log(std::move(connection));
  HF_TRY(log.Load());
  return log;
}

Result<void> PlanLog::Load() {
  // Plans before floors, because a kept plan may be below the floor.
  HF_ASSIGN(std::vector<PlanRow> rows, ReadRecords<PlanRow>(connection_, ""));
  for (const PlanRow& row : rows) {
    known_.Add({.controller_key = row.controller_key,
                .plan_id = std::string(AsText(row.plan_id)),
                .sequence = row.sequence,
                .hash = row.hash,
                .expires_at_ms = row.expires_ms});
  }
  HF_ASSIGN(Statement floor, connection_.Query("SELECT controller_key, sequence FROM floor"));
  for (;;) {
    HF_ASSIGN(bool has_row, floor.Next());
    if (!has_row) return {};
    crypto::KeyId key{};
    std::int64_t sequence = 0;
    HF_TRY(floor.Read(key, sequence));
    known_.RaiseFloor(key, static_cast<std::uint64_t>(sequence));
  }
}

trust::ReplayVerdict PlanLog::Judge(const crypto::KeyId& controller_key, ByteView plan_id,
                                    std::uint64_t sequence, const crypto::Digest& hash) const {
  return known_.Judge(controller_key, plan_id, sequence, hash);
}

Result<void> PlanLog::Accept(const trust::KnownPlans::Record& plan) {
  PlanRow row{.controller_key = plan.controller_key,
              .plan_id = ToBytes(plan.plan_id),
              .sequence = plan.sequence,
              .hash = plan.hash,
              .expires_ms = plan.expires_at_ms};
  HF_ASSIGN(Transaction transaction, Transaction::Begin(connection_));
  HF_ASSIGN(bool is_new, AddRecord(connection_, row));
  HF_CHECK(is_new);  // otherwise Judge() would not have returned kNew
  HF_TRY(transaction.Commit());
  known_.Add(plan);
  return {};
}

Result<void> PlanLog::Finish(ByteView plan_id, ByteView outcome) {
  HF_ASSIGN(Transaction transaction, Transaction::Begin(connection_));
  HF_TRY(connection_.Run("UPDATE plan SET outcome = ? WHERE plan_id = ?", outcome, plan_id));
  if (connection_.changed_rows() != 1) {
    return Fail(ErrorCode::kInternal,
                fmt::format("the plan {} was not accepted here", HexEncode(plan_id)));
  }
  return transaction.Commit();
}

Result<std::optional<Bytes>> PlanLog::OutcomeOf(ByteView plan_id) {
  HF_ASSIGN(Statement row,
            connection_.Query("SELECT outcome FROM plan WHERE plan_id = ?", plan_id));
  HF_ASSIGN(bool has_row, row.Next());
  std::optional<Bytes> outcome;
  if (has_row) HF_TRY(row.Read(outcome));
  return outcome;
}

Result<void> PlanLog::Forget(WallTime now) {
  trust::KnownPlans later = known_;
  if (later.Forget(now) == 0) return {};
  HF_ASSIGN(Transaction transaction, Transaction::Begin(connection_));
  for (const auto& [key, sequence] : later.floors()) {
    HF_TRY(
        connection_.Run("INSERT INTO floor(controller_key, sequence) VALUES (?, ?) ON "
                        "CONFLICT(controller_key) DO UPDATE SET sequence = excluded.sequence",
                        key, StoredInteger(sequence)));
  }
  for (const auto& [plan_id, record] : known_.records()) {
    if (later.records().contains(plan_id)) continue;
    HF_TRY(connection_.Run("DELETE FROM plan WHERE plan_id = ?", AsBytes(record.plan_id)));
  }
  HF_TRY(transaction.Commit());
  known_ = std::move(later);
  return {};
}

}  // namespace agent
}  // namespace holdfast
