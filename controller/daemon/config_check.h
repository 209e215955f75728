// `holdfast-controller config check`: opens every file that controller.yaml names.
#pragma once

#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "controller/daemon/settings.h"

namespace holdfast::controller {

// All errors; empty if the controller can start with these files as the current user, now.
std::vector<Error> CheckControllerFiles(const ControllerSettings& settings, const Clock& clock);

}  // namespace holdfast::controller
