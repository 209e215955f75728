// policy.yaml, typed: what may be restored on this node, whoever asks. It lies beside agent.yaml,
// belongs to root, and no environment variable overrides it. Keys: docs/operating.md#policy.
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
#include "common/trust/local_policy.h"

namespace holdfast {

// The restore methods of each kind that a target may use: all but in place. A kind that has none is
// not in it.
using KindMethods = std::map<std::string, std::vector<config::MethodSchema>, std::less<>>;

// Where one of the restore methods of a kind of source may go.
struct RestoreTargetSettings {
  std::string kind;
  std::string method;                          // by its name, e.g. "to-cluster"
  config::Values options;                      // fixed: no order gives another
  std::set<std::string, std::less<>> fixed;    // their names
  std::set<std::string, std::less<>> may_set;  // what an order may give beside them
  bool as_root = false;                        // by the restore helper instead of the agent
};

// A plain value.
struct Policy {
  std::string file;         // absolute
  bool is_present = false;  // without the file nothing may be restored
  trust::RestoreRight restore = trust::RestoreRight::kNever;
  std::map<std::string, std::string, std::less<>> restore_roots;  // name -> absolute directory
  std::map<std::string, RestoreTargetSettings, std::less<>> restore_targets;  // by name

  // Null where there is none.
  const RestoreTargetSettings* FindTarget(std::string_view name) const;
};

// "never", "staging", "in-place": as the file has it.
std::string_view RestoreRightText(trust::RestoreRight right);

// Where the policy of an agent with this configuration lies.
std::string PolicyPath(const Settings& settings);

// Reads and checks the file; none is a policy that allows no restore. Every mistake is
// kInvalidArgument with file, line and column; kDenied when somebody else than root or this
// process's user owns it, or group or others may write to it or to its directory: it would then be
// no more than what they say.
Result<Policy> LoadPolicy(const std::string& path, const KindMethods& methods);
// The same for a text already read; `path` must be absolute.
Result<Policy> ParsePolicy(std::string_view text, const std::string& path,
                           const KindMethods& methods);

// What the checks of a plan ask of configuration and policy. Keeps copies.
class ConfiguredPolicy final : public trust::LocalPolicy {
 public:
  ConfiguredPolicy(const Settings& settings, const Policy& policy);

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
