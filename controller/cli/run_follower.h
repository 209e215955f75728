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
  // A watch without a reply for this long is requested again: a run without changes looks like a
  // dead connection.
  std::chrono::milliseconds silence_max{25'000};
  // How long a controller may be away.
  std::chrono::milliseconds away_max{300'000};
  // Delay between attempts: doubles from the first to the second.
  std::chrono::milliseconds retry_min{100};
  std::chrono::milliseconds retry_max{2'000};
  // Waits; returns early if the program must stop.
  std::function<void(std::chrono::milliseconds)> wait;
};

struct Followed {
  std::vector<v1::RunView> runs;  // newest view of each, in the given order
  // Why following ended before all runs had: kCancelled if interrupted, kUnavailable if the
  // controller did not come back. The runs continue.
  std::optional<Error> left;
};

// `runs` are ULIDs. Fails with the controller's errors about the runs themselves (kNotFound);
// connection errors end in `left`.
Result<Followed> FollowRuns(ControllerClient& client, const std::vector<std::string>& runs,
                            const FollowOptions& options, const Clock& clock, RunDisplay& display);

}  // namespace holdfast::cli
