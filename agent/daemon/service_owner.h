// Commands that root runs on a node whose agent runs as another user. The agent must be able to use
// what root creates for it, and must not be able to redirect root to other files.
#pragma once

#include <optional>
#include <string>

#include "agent/settings/settings.h"
#include "common/base/result.h"
#include "common/io/atomic_file.h"

namespace holdfast::agent {

// The owner of `state_dir` if root runs this and another user owns it. Otherwise nullopt.
std::optional<FileOwner> ServiceOwner(const std::string& state_dir);

// If root runs this and another user owns `state_dir`, switches to that user, and keeps only the
// right to read all files, like holdfast-agent.service.
Result<void> BecomeOwnerOfState(const std::string& state_dir);

// Where this process keeps its own state: `state_dir`, or the restore helper's directory if this is
// root and another user owns `state_dir`. That user could otherwise decide where root writes.
std::string OwnStateDirectory(const std::string& state_dir);

// Gives a repository and a password file that root has just created to the owner of `state_dir`, if
// that is another user.
Result<void> ChownNewRepository(const AgentSettings& settings, const std::string& url,
                                const std::string& password_file);

}  // namespace holdfast::agent
