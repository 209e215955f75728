// Files and directories of the daemon and its helper, in the state directory and next to it.
#pragma once

#include <string>

#include "common/base/bytes.h"

namespace holdfast::agent {

// The identity and its journal. Joining again replaces both.
std::string IdentityDirectory(const std::string& state_dir);
std::string JournalPath(const std::string& state_dir);
// Root documents taken after joining, "<version>.holdfast".
std::string RootsDirectory(const std::string& state_dir);
// Plans for the restore helper, "<plan id>.plan".
std::string RestoresDirectory(const std::string& state_dir);
// The plan, and the helper's answers in its directory (agent/journal/helper_directory.h).
std::string PlanPath(const std::string& state_dir, ByteView plan_id);
std::string OutcomePath(const std::string& state_dir, ByteView plan_id);
std::string ProgressPath(const std::string& state_dir, ByteView plan_id);

}  // namespace holdfast::agent
