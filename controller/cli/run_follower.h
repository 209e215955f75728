// Follows runs until they end, through restarts of the controller.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "controller/cli/connection.h"
#include "controller/cli/run_display.h"

namespace holdfast::cli {

struct FollowOptions {
  // A watch that brings nothing for so long is asked for again: a run in which nothing changes
  // looks like a connection that is dead.
  std::chrono::milliseconds silence_max{25'000};
  // How long a controller may be away.
  std::chrono::milliseconds away_max{300'000};
  // Between two attempts: doubles from the first to the second.
  std::chrono::milliseconds retry_min{100};
  std::chrono::milliseconds retry_max{2'000};
  // Waits; ends early when the program is to stop.
  std::function<void(std::chrono::milliseconds)> wait;
};

struct Followed {
  std::vector<v1::RunView> runs;  // the newest of each, in the order asked for
  // Why it was left before all had ended: kCancelled when interrupted, kUnavailable when the
  // controller did not come back. The runs go on.
  std::optional<Error> left;
};

// `runs` are ULIDs. Errors are those of the controller about the runs themselves (kNotFound); what
// happens to the connection ends in `left`.
Result<Followed> FollowRuns(ControllerClient& client, const std::vector<std::string>& runs,
                            const FollowOptions& options, const Clock& clock, RunDisplay& display);

}  // namespace holdfast::cli
