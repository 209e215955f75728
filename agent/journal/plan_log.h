// The restore helper's own record of plans, in a file that only root can write. So even a
// compromised daemon cannot make it restore twice. docs/protocol.md#restore.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/database/database.h"
#include "common/trust/replay_guard.h"

namespace holdfast::agent {

// A persistent ReplayGuard. One thread, and one process at a time.
class PlanLog final : public trust::ReplayGuard {
 public:
  // Creates the file, mode 0600, if it is missing. kBusy if another helper has it open.
  static Result<PlanLog> Open(const std::string& path);

  trust::ReplayVerdict Judge(const crypto::KeyId& controller_key, ByteView plan_id,
                             std::uint64_t sequence, const crypto::Digest& hash) const override;

  // Durable on return; only then may the plan begin. REQUIRES: Judge() returned kNew.
  Result<void> Accept(const trust::KnownPlans::Record& plan);
  // Stores the outcome of an accepted plan, durably.
  Result<void> Finish(ByteView plan_id, ByteView outcome);
  // nullopt if the plan was accepted but has not finished, or is unknown.
  Result<std::optional<Bytes>> OutcomeOf(ByteView plan_id);

  // Forgets old plans (see common/trust/replay_guard.h) and raises the floors to their sequences.
  Result<void> Forget(WallTime now);

 private:
  explicit PlanLog(Database connection) : connection_(std::move(connection)) {}
  Result<void> Load();

  Database connection_;
  trust::KnownPlans known_;
};

}  // namespace holdfast::agent
