#include "agent/daemon/state_paths.h"

#include "agent/journal/helper_directory.h"

namespace holdfast::agent {

std::string IdentityDirectory(const std::string& state_dir) { return state_dir + "/identity"; }

std::string JournalPath(const std::string& state_dir) {
  return IdentityDirectory(state_dir) + "/journal.db";
}

std::string RootsDirectory(const std::string& state_dir) {
  return IdentityDirectory(state_dir) + "/roots";
}

std::string RestoresDirectory(const std::string& state_dir) { return state_dir + "/restores"; }

std::string PlanPath(const std::string& state_dir, ByteView plan_id) {
  return RestoresDirectory(state_dir) + "/" + HexEncode(plan_id) + ".plan";
}

std::string OutcomePath(const std::string& state_dir, ByteView plan_id) {
  return HelperDirectory(state_dir) + "/" + HexEncode(plan_id) + ".outcome";
}

std::string ProgressPath(const std::string& state_dir, ByteView plan_id) {
  return HelperDirectory(state_dir) + "/" + HexEncode(plan_id) + ".progress";
}

}  // namespace holdfast::agent
