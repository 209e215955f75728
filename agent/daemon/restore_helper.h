// `holdfast-agent restore-helper`: performs restores as root. Reads the plans that the agent has
// stored, verifies each again (signatures, operators, policy, and a replay guard that only root can
// write), restores, and exits. Everything that it acts on besides the plans is in root's own
// directory (agent/journal/helper_directory.h).
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "agent/settings/settings.h"
#include "agent/sources/source.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"

namespace holdfast::agent {

// Creates root's own directory, with a lock file for each configured source. An agent that runs as
// another user cannot create these. Idempotent. kDenied, naming the directory, if another user
// could change it, or if root owns it and this process does not run as root.
Result<void> PrepareHelperDirectory(const AgentSettings& settings);

// Writes a trial file in the same way as SaveHelperIdentity(), and removes it. Prepares the
// directory.
Result<void> CheckHelperIdentityCanBeSaved(const AgentSettings& settings);
// Stores what the helper must not learn from the agent: this node's identity, and the root document
// that it joined with. Prepares the directory. `holdfast-agent join` calls it if it runs as root.
Result<void> SaveHelperIdentity(const AgentSettings& settings, const std::string& node,
                                std::uint64_t incarnation, ByteView root);

// Executes all stored plans, the oldest first. Each gets an outcome, even if it is refused. An
// error means that the helper itself failed. kBusy if another helper is running.
Result<void> RunRestoreHelper(const AgentSettings& settings, const std::vector<SourceKind>& kinds,
                              const std::stop_token& stop, Random& random, const Clock& clock);

// Finishes or undoes the interrupted restores in place of all configured sources. Returns one line
// for each of these restores. Then fails, naming all of them, if there are journals of sources that
// are not configured. The node need not have joined.
Result<std::vector<std::string>> RecoverRestores(const AgentSettings& settings,
                                                 const std::vector<SourceKind>& kinds,
                                                 const std::stop_token& stop, Random& random,
                                                 const Clock& clock);

}  // namespace holdfast::agent
