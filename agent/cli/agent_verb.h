// A verb of holdfast-agent, and the options that several verbs share. Each verb is one file in
// verbs/, which holds its options, its work, its text and its JSON; verbs/all_verbs.cc lists them.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/source.h"
#include "common/base/result.h"
#include "common/cli/command_line.h"
#include "common/repository/snapshot_reader.h"
#include "common/service/logging.h"

namespace holdfast::cli {

class AgentProgram;

// Options that stand anywhere on the command line.
struct GlobalOptions {
  std::string config;  // empty: HOLDFAST_AGENT_CONFIG, or the default
  bool json = false;
  std::optional<LogLevel> log_level;  // unset: the default of the verb
  LogTarget log_target = LogTarget::kAuto;
};

// What a verb is made with. Everything referred to outlives the verb.
struct VerbSetup {
  const std::vector<SourceKind>& kinds;
  const GlobalOptions& globals;
};

class AgentVerb : public Verb {
 public:
  explicit AgentVerb(const VerbSetup& setup) : kinds_(setup.kinds), globals_(setup.globals) {}

  // Runs after the configuration was read and the log was set up. Returns the exit code.
  virtual Result<int> Run(AgentProgram& program) = 0;

  // A daemon logs at level info, and its lines carry the runs that they are about.
  virtual bool is_daemon() const { return false; }
  // Root does not become the owner of state_dir: the verb writes files of other users, or files
  // that the caller names.
  virtual bool stays_root() const { return false; }
  // The verb goes on if the configuration does not exist.
  virtual bool works_without_config() const { return false; }
  // ${CREDENTIALS_DIRECTORY} means the unit's directory if systemd did not set it.
  virtual bool expects_unit_credentials() const { return false; }

  const std::string& repository() const { return repository_; }
  const std::string& repository_url() const { return repository_url_; }
  const std::string& password_file() const { return password_file_; }
  const repository::LatestRule& latest() const { return latest_; }
  std::chrono::seconds retry_lock() const { return retry_lock_; }

  Result<void> Check() final;

 protected:
  // Rules between the verb's own options. Called by Check().
  virtual Result<void> CheckOptions() { return {}; }

  // A configured repository by name, or any by its URL: the case in which only the repository and
  // its password are left.
  void AddRepositoryChoice(OptionList& options);
  void AddRetryLock(OptionList& options);
  // What `latest` accepts besides complete and valid snapshots; `invalid_too` says what
  // --allow-invalid does beyond that.
  void AddLatestRule(OptionList& options, const std::string& invalid_too = "");
  // A positional SNAPSHOT.
  void AddSnapshot(OptionList& options, std::string& snapshot, const std::string& more = "");
  // --source, one or more; `purpose` begins the help.
  void AddSourceFilter(OptionList& options, const std::string& purpose);
  // kInvalidArgument unless --source is empty or kind/name.
  Result<void> CheckSourceFilter() const;

  const std::vector<SourceKind>& kinds() const { return kinds_; }
  const GlobalOptions& globals() const { return globals_; }

  std::string repository_;
  std::string source_filter_;

 private:
  const std::vector<SourceKind>& kinds_;
  const GlobalOptions& globals_;
  std::string repository_url_;
  std::string password_file_;
  repository::LatestRule latest_;
  std::chrono::seconds retry_lock_{0};
};

// A verb's entry in the list of verbs/all_verbs.cc.
struct VerbEntry {
  VerbText text;
  std::unique_ptr<AgentVerb> (*make)(const VerbSetup& setup) = nullptr;
};

template <typename T>
std::unique_ptr<AgentVerb> MakeVerb(const VerbSetup& setup) {
  return std::make_unique<T>(setup);
}

// kInvalidArgument with `message`.
std::unexpected<Error> WrongOptions(std::string message);

}  // namespace holdfast::cli
