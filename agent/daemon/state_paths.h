// Where the daemon and its helper keep what, below the state directory and beside it.
#pragma once

#include <string>
#include <string_view>

#include "common/base/bytes.h"

namespace holdfast::agent {

// Who the agent is, and its journal: they belong together, so a new joining replaces both.
std::string IdentityDirectory(const std::string& state_dir);
std::string JournalPath(const std::string& state_dir);
// Root documents that the agent took after it joined, "<version>.holdfast".
std::string RootsDirectory(const std::string& state_dir);
// Plans for the restore helper, "<plan id>.plan".
std::string RestoresDirectory(const std::string& state_dir);
// The helper's own: what nobody but root may write. Beside the agent's, "restore-helper".
std::string HelperDirectory(const std::string& state_dir);
std::string PlanPath(const std::string& state_dir, ByteView plan_id);
std::string OutcomePath(const std::string& state_dir, ByteView plan_id);
std::string ProgressPath(const std::string& state_dir, ByteView plan_id);

}  // namespace holdfast::agent
