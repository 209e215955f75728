// What every command needs: its arguments, the controller, the person, the way to report.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/ed25519.h"
#include "controller/cli/command_line.h"
#include "controller/cli/connection.h"
#include "controller/cli/program.h"

namespace holdfast::cli {

class Session {
 public:
  Session(const OperatorContext& context, OperatorLine line)
      : context_(context), line_(std::move(line)) {}

  const OperatorContext& context() const { return context_; }
  const OperatorLine& line() const { return line_; }
  std::string_view command() const { return CommandName(line_.command); }
  WallTime now() const { return context_.clock->Now(); }
  Screen screen() const { return context_.terminal->screen(); }

  // cli.yaml; read when it is first asked for.
  Result<const CliSettings*> Settings();
  Result<ControllerClient*> Client();
  // ControllerClient::Ask with the usual patience.
  Result<v1::AdminReply> Ask(v1::AdminRequest request, v1::AdminReply::ReplyCase expected);

  // Prints what was asked for in the form that was asked for. A report that nobody got is a
  // failure.
  int Finish(int code, const std::function<std::string()>& text,
             const std::function<std::string()>& json);
  void ShowError(const Error& error);
  // Several lines for the person, on stderr.
  void Tell(std::string_view text);

  // kInvalidArgument unless there is somebody to ask, or --yes.
  Result<void> CheckCanAsk() const;
  // kDenied unless the answer is yes; --yes answers for the person.
  Result<void> Confirm(std::string_view question, std::string_view otherwise);
  // A private key, its passphrase from --passphrase-file or asked for.
  Result<crypto::SigningKey> ReadKey(const std::string& path);

  // What became of runs that were followed.
  struct RunsOutcome {
    std::vector<v1::RunView> runs;
    std::optional<Error> left;  // before they had ended
    int code = 0;
  };
  // Until they have ended, with their reports then. The person has been told when it was left.
  Result<RunsOutcome> Follow(const std::vector<std::string>& runs);
  // Follow, or with --no-wait a look; then the report of them all.
  Result<int> FollowAndFinish(const std::vector<std::string>& runs);

 private:
  Result<v1::RunView> LookAtRun(const std::string& run);

  const OperatorContext& context_;
  const OperatorLine line_;
  std::optional<CliSettings> settings_;
  std::optional<ControllerClient> client_;
};

}  // namespace holdfast::cli
