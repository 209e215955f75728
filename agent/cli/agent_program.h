// One run of holdfast-agent: sets up what a verb needs, and prints its result.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/cli/agent_verb.h"
#include "agent/cli/list_output.h"
#include "agent/cli/program_context.h"
#include "agent/cli/progress_printer.h"
#include "agent/jobs/session/bandwidth.h"
#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "agent/settings/settings.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {

// Where systemd puts the credentials of the agent's unit.
inline constexpr std::string_view kUnitCredentials = "/run/credentials/holdfast-agent.service";

class AgentProgram {
 public:
  AgentProgram(const ProgramContext& context, const GlobalOptions& globals, AgentVerb& verb,
               std::string verb_name);

  // Sets up log, configuration and user, and runs the verb. Returns the exit code.
  int Run();

  const ProgramContext& context() const { return context_; }
  Terminal& terminal() { return *context_.terminal; }
  Screen screen() const { return context_.terminal->screen(); }
  bool is_json() const { return globals_.json; }
  const std::string& verb_name() const { return verb_name_; }
  // The configuration file that was read, or would have been.
  const std::string& config_file() const { return config_file_; }
  const jobs::JobContext& job() const { return job_; }
  const KindSchemas& schemas() const { return schemas_; }
  // Null if only a repository was named.
  const AgentSettings* settings() const { return settings_ ? &*settings_ : nullptr; }
  AgentSettings* settings() { return settings_ ? &*settings_ : nullptr; }

  // The repositories that the command line names; all if it names none.
  Result<std::vector<jobs::RepositoryAddress>> Repositories() const;
  // For verbs on one repository. If none is named, any but `other`.
  Result<jobs::RepositoryAddress> OneRepository(const std::string& other = "") const;
  // The same for verbs on snapshots. If no repository is named, the one configured for the sources
  // of "latest:kind/name".
  Result<jobs::RepositoryAddress> RepositoryOf(const std::vector<std::string>& snapshots) const;
  // A configured repository by name. kInvalidArgument, with the nearest name, if it is unknown.
  Result<jobs::RepositoryAddress> NamedRepository(const std::string& name) const;
  // A repository given only by its URL and password file. `password_flag` is used in messages.
  Result<jobs::RepositoryAddress> AddressOfUrl(const std::string& url,
                                               const std::string& password_file,
                                               const char* password_flag) const;

  // Ends the live progress and prints the report as text or JSON. Text is wrapped on a terminal.
  // Failing to write the report is a failure of the run.
  template <typename Text, typename Json>
  Result<int> Finish(int code, Text text, Json json) {
    return FinishVerbatim(
        code, [&] { return WrapText(text(), terminal().screen().width); }, std::move(json));
  }
  // The same without wrapping, for text with lines to copy, such as commands.
  template <typename Text, typename Json>
  Result<int> FinishVerbatim(int code, Text text, Json json) {
    EndProgress();
    Result<void> written = terminal().WriteOut(is_json() ? json() : text());
    if (written) return code;
    ShowError(written.error());
    return code == kExitDone ? kExitFailed : code;
  }
  // For a verb whose result begins with a list. `run` adds the entries, which are printed as they
  // come, and returns what follows the list.
  Result<int> FinishList(const std::string& list,
                         const std::function<Result<std::string>(ListOutput&)>& run);
  void EndProgress() { printer_.reset(); }
  void ShowError(const Error& error);

 private:
  Result<int> Start(const std::string& run);
  // An explicit --log-level requests a log with times and runs.
  bool IsLogForPerson() const;
  void SetUpLog();
  config::Environment ConfigEnvironment() const;
  bool HasNoConfigYet() const;
  ProgressStyle Style() const;
  Result<void> CheckConfigOwner() const;
  // Becomes the agent's user, or makes the job keep its state in root's own directory.
  Result<void> UseOwnState();
  std::string RepositoryNames() const;
  Error UnknownRepository(const std::string& name) const;

  const ProgramContext& context_;
  const GlobalOptions& globals_;
  AgentVerb& verb_;
  const std::string verb_name_;
  std::string config_file_;
  bool is_journal_ = false;
  KindSchemas schemas_;
  std::optional<AgentSettings> settings_;
  std::optional<AgentSettings> job_settings_;  // with the state directory of this process
  jobs::Bandwidth bandwidth_;
  std::optional<ProgressPrinter> printer_;
  jobs::JobContext job_;
};

Result<std::string> WorkingDirectory();
// `path` relative to the working directory.
Result<std::string> AbsolutePath(const std::string& path);

}  // namespace holdfast::cli
