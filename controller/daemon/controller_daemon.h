// The controller as one process: opens files, catalog and sockets, then runs the core's loop until
// a stop.
//
// This room turns the decisions of controller/core into action: core_loop.h passes events in and
// effects out, admin_service.h answers operators, controller_trust.h holds the signing key. What a
// run does next is decided in controller/core.
#pragma once

#include <stop_token>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/service/notify.h"
#include "controller/daemon/settings.h"

namespace holdfast::controller {

// Returns when stopped. `notifier` reports ready only after the listeners have refused an unknown
// key, the catalog was checked, and the root document allows our key to sign. kBusy if another
// controller runs on this catalog. kInvalidArgument, naming the file, for keys and documents that
// do not belong together.
Result<void> RunController(const ControllerSettings& settings, const Notifier& notifier,
                           const std::stop_token& stop, Random& random, const Clock& clock);

}  // namespace holdfast::controller
