// The restore helper's own memory of plans, in a file that only root may write: even a daemon that
// was taken over cannot make it restore twice. docs/protocol.md#restore.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/database/connection.h"
#include "common/trust/replay_guard.h"

namespace holdfast::agent {

// A ReplayGuard that outlives its process. One thread, and one process at a time.
class PlanLog final : public trust::ReplayGuard {
 public:
  // The file is made where it is missing, mode 0600. kBusy while another helper works with it.
  static Result<PlanLog> Open(const std::string& path);

  trust::ReplayVerdict Judge(const crypto::KeyId& controller_key, ByteView plan_id,
                             std::uint64_t sequence, const crypto::Digest& hash) const override;

  // Durable on return, and only then may the plan begin. REQUIRES: Judge() says kNew of it.
  Result<void> Accept(const trust::KnownPlans::Record& plan);
  // What came of an accepted plan, durably; asked again, the helper says the same again.
  Result<void> Finish(ByteView plan_id, ByteView outcome);
  // nullopt: it was accepted and did not end, or is not known.
  Result<std::optional<Bytes>> OutcomeOf(ByteView plan_id);

  // Forgets what may be forgotten (common/trust/replay_guard.h) and raises the floors to it.
  Result<void> Forget(WallTime now);

 private:
  explicit PlanLog(Connection connection) : connection_(std::move(connection)) {}
  Result<void> Load();

  Connection connection_;
  trust::KnownPlans known_;
};

}  // namespace holdfast::agent
