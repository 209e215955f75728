// The controller as one process: files -> keys, catalog, sockets -> the core's loop, until a stop.
#pragma once

#include <stop_token>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/service/notify.h"
#include "controller/daemon/settings.h"

namespace holdfast::controller {

// Returns when stopped. `notifier` hears that it is ready only after the doors have refused a
// stranger, the catalog was looked at and the root document lets our key sign. kBusy where another
// controller runs on this catalog, kInvalidArgument, naming the file, for keys and documents that
// do not belong together.
Result<void> RunController(const ControllerSettings& settings, const Notifier& notifier,
                           const std::stop_token& stop, Random& random, const Clock& clock);

}  // namespace holdfast::controller
