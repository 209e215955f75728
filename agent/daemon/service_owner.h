// Root commands next to the service: keep the state usable by the agent, which runs as another
// user.
#pragma once

#include <string>

#include "agent/settings/settings.h"
#include "common/base/result.h"

namespace holdfast::agent {

// If root runs this and another user owns `state_dir`, switches to that user, and keeps only the
// right to read all files, like holdfast-agent.service.
Result<void> BecomeOwnerOfState(const std::string& state_dir);

// Changes the owner of what root created in `state_dir` and in local repositories to the owner of
// `state_dir`. Skips repositories whose directory that owner does not own.
Result<void> ChownState(const AgentSettings& settings);

// The same for a repository and a password file that root has just created.
Result<void> ChownNewRepository(const AgentSettings& settings, const std::string& url,
                                const std::string& password_file);

}  // namespace holdfast::agent
