// The RestoreLauncher of a node: by files, as restore_launcher.h draws them.
#pragma once

#include <memory>

#include "agent/daemon/restore_launcher.h"
#include "agent/settings/settings.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast::agent {

// Makes the spool's directory. As root it starts the helper itself, by this very program; else
// systemd does (holdfast-restore.path).
Result<std::unique_ptr<RestoreLauncher>> OpenSpoolLauncher(const Settings& settings,
                                                           const Clock& clock);

}  // namespace holdfast::agent
