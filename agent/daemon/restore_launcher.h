// Starts a restore ordered by a plan. The agent may not write other users' files, so it stores the
// verified plan for the restore helper and waits for the outcome.
//
//   <state_dir>/restores/<plan id>.plan     the agent's: a RestoreTicket
//   <helper_dir>/<plan id>.progress         the helper's: a TaskProgress, during the restore
//   <helper_dir>/<plan id>.outcome          the helper's: a Report outcome; the agent can read it
//
// If the agent runs as root, without separate units, it starts the helper itself.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>

#include "agent/core/events.h"
#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::agent {

struct RestoreOutcome {
  std::optional<TaskError> failure;
  Bytes restored;  // a serialised Restored; empty on failure
};

class RestoreLauncher {
 public:
  virtual ~RestoreLauncher() = default;
  // Passes the plan to the helper and waits for the outcome. Calls `on_progress` on the caller's
  // thread, with an empty key. A stop withdraws the plan if the helper has not begun it; otherwise
  // the helper completes the restore. Safe to call from several threads.
  virtual Result<RestoreOutcome> Run(
      const Bytes& plan_id, const Bytes& envelope, const Bytes& fresh, bool resumed,
      const std::stop_token& stop, const std::function<void(event::TaskProgress)>& on_progress) = 0;
};

}  // namespace holdfast::agent
