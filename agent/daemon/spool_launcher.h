// A RestoreLauncher that uses the files described in restore_launcher.h.
#pragma once

#include <memory>

#include "agent/daemon/restore_launcher.h"
#include "agent/settings/settings.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast::agent {

// Creates the spool directory. As root, it starts the helper itself with the running executable;
// otherwise systemd does (holdfast-restore.path).
Result<std::unique_ptr<RestoreLauncher>> OpenSpoolLauncher(const AgentSettings& settings,
                                                           const Clock& clock);

}  // namespace holdfast::agent
