// A verb of holdfast-agent, and the options that several verbs share. Each verb has one file in
// verbs/ with its options, work, text and JSON. verbs/all_verbs.cc lists them.
//
// This room is the command line of holdfast-agent. Start with program.h; agent_program.h is one
// run, and report.h its common output. The work itself is in agent/jobs: verbs parse options, start
// a job and print its report.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/source.h"
#include "common/base/result.h"
#include "common/cli/command_line.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/service/logging.h"

namespace holdfast::cli {

class AgentProgram;

// Options that may be anywhere on the command line.
struct GlobalOptions {
  std::string config;  // empty: HOLDFAST_AGENT_CONFIG, or the default
  bool json = false;
  std::optional<LogLevel> log_level;  // unset: the verb's default
  LogTarget log_target = LogTarget::kAuto;
};

// Constructor arguments of verbs. Everything referred to must outlive the verb.
struct VerbSetup {
  const std::vector<SourceKind>& kinds;
  const GlobalOptions& globals;
};

class AgentVerb : public Verb {
 public:
  explicit AgentVerb(const VerbSetup& setup) : kinds_(setup.kinds), globals_(setup.globals) {}

  // Runs after the configuration was read and the log was set up. Returns the exit code.
  virtual Result<int> Run(AgentProgram& program) = 0;

  // A daemon logs at level info, and each of its log lines names its run.
  virtual bool is_daemon() const { return false; }
  // Keeps root instead of switching to the owner of state_dir, because the verb writes files of
  // other users, or files named by the caller.
  virtual bool stays_root() const { return false; }
  // The verb runs even if the configuration does not exist.
  virtual bool works_without_config() const { return false; }
  // ${CREDENTIALS_DIRECTORY} defaults to the unit's directory.
  virtual bool expects_unit_credentials() const { return false; }

  const std::string& repository() const { return repository_; }
  const std::string& repository_url() const { return repository_url_; }
  const std::string& password_file() const { return password_file_; }
  const repository::LatestRule& latest() const { return latest_; }
  std::chrono::seconds retry_lock() const { return retry_lock_; }

  Result<void> Check() final;

 protected:
  // Checks the verb's own options. Called by Check().
  virtual Result<void> CheckOptions() { return {}; }

  // --repository, or --repository-url and --password-file, which also work if only the repository
  // and its password are left.
  void AddRepositoryChoice(OptionList& options);
  void AddRetryLock(OptionList& options);
  // Options for what `latest` accepts besides complete and valid snapshots. `invalid_too` is the
  // additional meaning of --allow-invalid.
  void AddLatestRule(OptionList& options, const std::string& invalid_too = "");
  // A positional SNAPSHOT.
  void AddSnapshot(OptionList& options, std::string& snapshot, const std::string& more = "");
  // --source, one or more. `purpose` is the start of the help.
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
