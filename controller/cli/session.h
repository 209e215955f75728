// What every verb needs: the global options, the controller, the person, and reporting.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/cli/exit_code.h"
#include "common/crypto/ed25519.h"
#include "controller/cli/connection.h"
#include "controller/cli/operator_context.h"
#include "controller/cli/operator_verb.h"

namespace holdfast::cli {

class Session {
 public:
  // `verb_name` as in JSON. All references must outlive the session.
  Session(const OperatorContext& context, const OperatorGlobals& globals, const OperatorVerb& verb,
          std::string verb_name)
      : context_(context), globals_(globals), verb_(verb), verb_name_(std::move(verb_name)) {}

  const OperatorContext& context() const { return context_; }
  bool is_json() const { return globals_.json; }
  const std::string& verb_name() const { return verb_name_; }
  WallTime now() const { return context_.clock->Now(); }
  Screen screen() const { return context_.terminal->screen(); }

  // cli.yaml, read on first use.
  Result<const CliSettings*> Settings();
  Result<ControllerClient*> Client();
  // ControllerClient::Ask() with the context's `answer_max`.
  Result<v1::AdminReply> Ask(v1::AdminRequest request, v1::AdminReply::ReplyCase expected);

  // Prints the report in the requested form, wrapped on a terminal. If it cannot be written, that
  // is a failure.
  int Finish(int code, const std::function<std::string()>& text,
             const std::function<std::string()>& json);
  // The same for a text with lines to copy, such as commands: not wrapped.
  int FinishVerbatim(int code, const std::function<std::string()>& text,
                     const std::function<std::string()>& json);
  void ShowError(const Error& error);
  // Prints several lines for the person, on stderr.
  void Tell(std::string_view text);

  // kInvalidArgument unless there is a terminal to ask on, or --yes.
  Result<void> CheckCanAsk() const;
  // kDenied with `otherwise` and `hint` unless the answer is yes; --yes implies it.
  Result<void> Confirm(std::string_view question, std::string_view otherwise,
                       std::string_view hint = {});
  // A private key. Its passphrase is from --passphrase-file, or asked for, at most three times.
  Result<crypto::SigningKey> ReadKey(const std::string& path);

  // Sends a request that starts runs, and returns their ULIDs.
  Result<std::vector<std::string>> MakeRuns(v1::AdminRequest request);
  // All nodes that have joined.
  Result<std::vector<v1::AgentView>> Agents();
  // The current view of a run, by its ULID or a part that only one run has.
  Result<v1::RunView> FindRun(const std::string& run);
  // Names the newer snapshots that the controller skipped for "latest:...".
  void ReportSkippedSnapshots(const v1::SnapshotView& snapshot);

  // The result of following runs.
  struct RunsOutcome {
    std::vector<v1::RunView> runs;
    std::optional<Error> left;  // why following ended early
    int code = 0;
  };
  // Follows runs until they end, then reads their reports. Shows the error if it ends early.
  Result<RunsOutcome> Follow(const std::vector<std::string>& runs);
  // Follow(), or one look with --no-wait; then reports all of them. `partly_code` is the exit code
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
