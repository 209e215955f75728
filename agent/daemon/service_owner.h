// Root beside the service: what root's verbs do so that the agent, which runs as another user, can
// still open its own files afterwards.
#pragma once

#include <string>
#include <vector>

#include "agent/settings/settings.h"
#include "common/base/result.h"

namespace holdfast::agent {

// If root runs this and another user owns `state_dir`: this process becomes that user and keeps
// only the right to read all files, as holdfast-agent.service has it.
Result<void> BecomeOwnerOfState(const std::string& state_dir);

// Gives what root created in `state_dir`, and in local repositories, to the owner of `state_dir`.
// A repository counts only if that owner owns its directory.
Result<void> GiveToOwnerOfState(const Settings& settings);

// Likewise for a repository and a password file that root has just created.
Result<void> GiveNewRepository(const Settings& settings, const std::string& url,
                               const std::string& password_file);

}  // namespace holdfast::agent
