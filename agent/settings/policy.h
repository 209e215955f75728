// policy.yaml as a type: what may be restored on this node. It is next to agent.yaml and belongs to
// root. Environment variables do not override it. Keys: docs/operating.md#policy.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/settings/settings.h"
#include "common/base/result.h"
#include "common/config/method.h"
#include "common/config/schema.h"
#include "common/stream/special_rights.h"
#include "common/trust/local_policy.h"

namespace holdfast {

// The restore methods of each kind that a target may use: all except in place. Kinds without such a
// method are missing.
using KindMethods = std::map<std::string, std::vector<config::MethodSchema>, std::less<>>;

// A named destination for a restore method of a kind.
struct RestoreTargetSettings {
  std::string kind;
  std::string method;                          // its name, e.g. "to-cluster"
  config::Values options;                      // fixed values; orders cannot change them
  std::set<std::string, std::less<>> fixed;    // names of the fixed options
  std::set<std::string, std::less<>> may_set;  // options that an order may set
  bool as_root = false;                        // run by the restore helper instead of the agent
};

struct Policy {
  std::string file;         // absolute
  bool is_present = false;  // false: no file, nothing may be restored
  trust::RestoreRight restore = trust::RestoreRight::kNever;
  std::map<std::string, std::string, std::less<>> restore_roots;  // name -> absolute directory
  std::map<std::string, RestoreTargetSettings, std::less<>> restore_targets;  // by name
  // Absolute directories in which restores in place may write, in addition to what the restored
  // source's own configuration names.
  std::vector<std::string> in_place_roots;
  // What restores in place, and plans' restores to a restore root, keep of a snapshot.
  SpecialRights restore_special = SpecialRights::None();

  // Null if it does not exist.
  const RestoreTargetSettings* FindTarget(std::string_view name) const;
};

// "never", "staging" or "in-place", as in the file.
std::string_view RestoreRightText(trust::RestoreRight right);

// Of `restore_special`, as in the file.
std::vector<std::string> SpecialRightNames(const SpecialRights& kept);

// The policy file of an agent with this configuration.
std::string PolicyPath(const AgentSettings& settings);

// Reads and checks the file. If it does not exist, the policy allows no restore. Every mistake is
// kInvalidArgument with file, line and column. kDenied if another user could change the file
// (common/io/trusted_path.h).
Result<Policy> LoadPolicy(const std::string& path, const KindMethods& methods);
// The same for a text; `path` must be absolute.
Result<Policy> ParsePolicy(std::string_view text, const std::string& path,
                           const KindMethods& methods);

// Answers the plan checks' questions about configuration and policy. Keeps copies.
class ConfiguredPolicy final : public trust::LocalPolicy {
 public:
  ConfiguredPolicy(const AgentSettings& settings, const Policy& policy);

  std::optional<std::string> RepositoryOf(std::string_view source) const override;
  bool HasRepository(std::string_view repository) const override;
  std::string file() const override { return policy_.file; }
  trust::RestoreRight restore() const override { return policy_.restore; }
  bool HasRestoreRoot(std::string_view root) const override;
  Result<void> CheckRestoreTarget(std::string_view target, std::string_view kind,
                                  const std::vector<std::string>& options) const override;

  const Policy& policy() const { return policy_; }

 private:
  std::map<std::string, std::string, std::less<>> repository_of_;  // by "kind/name"
  std::set<std::string, std::less<>> repositories_;
  Policy policy_;
};

}  // namespace holdfast
