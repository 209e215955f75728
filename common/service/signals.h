// SIGINT and SIGTERM as a stop token: work ends where it can be ended cleanly.
#pragma once

#include <memory>
#include <stop_token>

#include "common/base/result.h"

namespace holdfast {

// While it lives, the first SIGINT or SIGTERM requests a stop and the second one ends the process
// at once (exit code 130), which loses nothing: it is what a power cut does. SIGPIPE does nothing,
// so that a reader that went away is an error of write(2). At most one object at a time; programs
// started meanwhile get the system's own reactions back.
class StopOnSignals {
 public:
  virtual ~StopOnSignals() = default;
  static Result<std::unique_ptr<StopOnSignals>> Begin();
  virtual std::stop_token token() const = 0;
  // The signal that came, 0 while none has.
  virtual int signal() const = 0;
};

}  // namespace holdfast
