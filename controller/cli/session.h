// What every verb needs: the global options, the controller, the person, the way to report.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/cli/exit_code.h"
#include "common/crypto/ed25519.h"
#include "controller/cli/connection.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/program.h"

namespace holdfast::cli {

class Session {
 public:
  // `verb_name` as in JSON. What is referred to must outlive the session.
  Session(const OperatorContext& context, const OperatorGlobals& globals, const OperatorVerb& verb,
          std::string verb_name)
      : context_(context), globals_(globals), verb_(verb), verb_name_(std::move(verb_name)) {}

  const OperatorContext& context() const { return context_; }
  bool is_json() const { return globals_.json; }
  const std::string& verb_name() const { return verb_name_; }
  WallTime now() const { return context_.clock->Now(); }
  Screen screen() const { return context_.terminal->screen(); }

  // cli.yaml; read when it is first asked for.
  Result<const CliSettings*> Settings();
  Result<ControllerClient*> Client();
  // ControllerClient::Ask with the usual patience.
  Result<v1::AdminReply> Ask(v1::AdminRequest request, v1::AdminReply::ReplyCase expected);

  // Prints what was asked for in the form that was asked for, wrapped on a terminal. A report that
  // cannot be written is a failure.
  int Finish(int code, const std::function<std::string()>& text,
             const std::function<std::string()>& json);
  // The same for a text with lines to copy, such as commands: it is not wrapped.
  int FinishVerbatim(int code, const std::function<std::string()>& text,
                     const std::function<std::string()>& json);
  void ShowError(const Error& error);
  // Several lines for the person, on stderr.
  void Tell(std::string_view text);

  // kInvalidArgument unless there is somebody to ask, or --yes.
  Result<void> CheckCanAsk() const;
  // kDenied with `otherwise` and `hint` unless the answer is yes; --yes answers for the person.
  Result<void> Confirm(std::string_view question, std::string_view otherwise,
                       std::string_view hint = {});
  // A private key, its passphrase from --passphrase-file or asked for, three times at most.
  Result<crypto::SigningKey> ReadKey(const std::string& path);

  // Sends a request that makes runs, and returns their ULIDs.
  Result<std::vector<std::string>> MakeRuns(v1::AdminRequest request);
  // All nodes that have joined.
  Result<std::vector<v1::AgentView>> Agents();
  // The run with this name, or the only one whose name begins with it, as it is now.
  Result<v1::RunView> FindRun(const std::string& run);
  // Says which newer snapshots the controller passed over for "latest:...".
  void TellPassedOver(const v1::SnapshotView& snapshot);

  // What became of runs that were followed.
  struct RunsOutcome {
    std::vector<v1::RunView> runs;
    std::optional<Error> left;  // before they had ended
    int code = 0;
  };
  // Until they have ended, with their reports then. The person has been told when it was left.
  Result<RunsOutcome> Follow(const std::vector<std::string>& runs);
  // Follow, or with --no-wait a look; then the report of them all. `partly_code` is the exit code
  // of runs that are partly done.
  Result<int> FollowAndFinish(const std::vector<std::string>& runs,
                              int partly_code = kExitPartlyDone);

 private:
  const OperatorContext& context_;
  const OperatorGlobals& globals_;
  const OperatorVerb& verb_;
  const std::string verb_name_;
  std::optional<CliSettings> settings_;
  std::optional<ControllerClient> client_;
};

}  // namespace holdfast::cli
