// How a restore that was ordered begins: the agent may write nothing of other users', so it leaves
// the verified plan where the restore helper looks for it, and waits for what the helper says.
//
//   <state_dir>/restores/<plan id>.plan     the agent's, a RestoreTicket
//   <helper_dir>/<plan id>.progress         the helper's, a TaskProgress, while it works
//   <helper_dir>/<plan id>.outcome          the helper's, a Report outcome; readable to the agent
//
// Where the agent runs as root (no unit separates the two) it starts the helper itself.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/core/events.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast::agent {

struct RestoreOutcome {
  std::optional<TaskError> failure;
  Bytes restored;  // a serialised Restored, unless there is a failure
};

class RestoreLauncher {
 public:
  virtual ~RestoreLauncher() = default;
  // Hands the plan over and waits for its end; `on_progress` gets its progress, without a key, on
  // the caller's thread. A stop withdraws the plan if the helper has not begun with it; the
  // helper finishes a restore that it has begun. Safe from several threads.
  virtual Result<RestoreOutcome> Run(
      const Bytes& plan_id, const Bytes& envelope, const Bytes& fresh, bool resumed,
      const std::stop_token& stop, const std::function<void(event::TaskProgress)>& on_progress) = 0;
};

}  // namespace holdfast::agent
