// SIGINT and SIGTERM as a stop token, so that work ends cleanly.
//
// This room holds what a process needs when it starts as a service: signals (this header), the
// log's destination (logging.h), readiness and watchdog of systemd (notify.h), and dropping
// privileges (privileges.h). It knows none of the programs.
#pragma once

#include <memory>
#include <stop_token>

#include "common/base/result.h"

namespace holdfast {

// While it lives, the first SIGINT or SIGTERM requests a stop. The second one ends the process at
// once (exit code 130), which is as safe as a power failure. SIGPIPE does nothing, so that write(2)
// reports a closed reader as an error. At most one object at a time. Programs that this process
// starts get the default actions.
class StopOnSignals {
 public:
  virtual ~StopOnSignals() = default;
  static Result<std::unique_ptr<StopOnSignals>> Begin();
  virtual std::stop_token token() const = 0;
  // The signal received, or 0.
  virtual int signal() const = 0;
};

}  // namespace holdfast
