#include "controller/cli/session.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"
#include "common/trust/key_file.h"
#include "controller/cli/run_report.h"
#include "controller/cli/run_words.h"

namespace holdfast::cli {
namespace {

constexpr int kPassphraseTries = 3;

}  // namespace

Result<const CliSettings*> Session::Settings() {
  if (!settings_) {
    HF_ASSIGN(settings_,
              LoadCliSettings(globals_.config, globals_.controller, context_.environment));
    for (const std::string& warning : settings_->warnings) Tell("warning: " + warning);
  }
  return &*settings_;
}

Result<ControllerClient*> Session::Client() {
  if (!client_) {
    HF_ASSIGN(const CliSettings* settings, Settings());
    HF_ASSIGN(ControllerAddress address, AddressOf(*settings));
    client_.emplace(std::move(address), ConnectionContext{context_.clock, context_.random,
                                                          context_.stop, context_.connect_max});
  }
  return &*client_;
}

Result<v1::AdminReply> Session::Ask(v1::AdminRequest request, v1::AdminReply::ReplyCase expected) {
  HF_ASSIGN(ControllerClient * client, Client());
  return client->Ask(std::move(request), expected, context_.answer_max);
}

int Session::Finish(int code, const std::function<std::string()>& text,
                    const std::function<std::string()>& json) {
  return FinishVerbatim(
      code, [&] { return WrapText(text(), context_.terminal->screen().width); }, json);
}

int Session::FinishVerbatim(int code, const std::function<std::string()>& text,
                            const std::function<std::string()>& json) {
  Result<void> written = context_.terminal->WriteOut(globals_.json ? json() : text());
  if (written) return code;
  ShowError(written.error());
  return code == kExitDone ? kExitFailed : code;
}

void Session::ShowError(const Error& error) {
  Tell(error.message());
  if (!error.hint().empty()) {
    context_.terminal->WriteErrorLine("hint: " + Printable(error.hint()));
  }
}

void Session::Tell(std::string_view text) {
  bool is_first = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    context_.terminal->WriteErrorLine((is_first ? "holdfast: " : "") +
                                      Printable(text.substr(0, end)));
    is_first = false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Result<void> Session::CheckCanAsk() const {
  if (globals_.yes || context_.prompt->is_there()) return {};
  return Fail(
      ErrorCode::kInvalidArgument,
      fmt::format("{} asks for confirmation, but there is no terminal to ask on", verb_name_),
      "use --yes to confirm");
}

Result<void> Session::Confirm(std::string_view question, std::string_view otherwise,
                              std::string_view hint) {
  if (globals_.yes) return {};
  HF_TRY(CheckCanAsk());
  HF_ASSIGN(const std::string answer,
            context_.prompt->AskLine(fmt::format("{} [yes/no] ", question)));
  if (answer == "yes" || answer == "y") return {};
  return Fail(ErrorCode::kDenied, std::string(otherwise), std::string(hint));
}

Result<crypto::SigningKey> Session::ReadKey(const std::string& path) {
  for (int attempt = 1;; ++attempt) {
    bool was_asked = false;
    Result<crypto::SigningKey> key = trust::ReadSigningKeyFile(path, [&]() -> Result<Secret> {
      if (!verb_.passphrase_file().empty()) return ReadPassphraseFile(verb_.passphrase_file());
      if (context_.prompt->is_there()) {
        was_asked = true;
        return context_.prompt->AskSecret(fmt::format("Passphrase of {}: ", Quote(path)));
      }
      return Fail(ErrorCode::kDenied,
                  fmt::format("key {} needs its passphrase, but there is no terminal to ask on",
                              Quote(path)),
                  "--passphrase-file FILE");
    });
    const bool is_wrong = !key && was_asked && key.error().code() == ErrorCode::kDenied;
    if (!is_wrong) return key;
    if (attempt == kPassphraseTries) {
      return Fail(std::move(key).error().WithHint(
          "nothing was signed; if the passphrase is lost, `holdfast trust key` creates new keys"));
    }
    Tell("the passphrase is wrong; try again");
  }
}

Result<std::vector<std::string>> Session::MakeRuns(v1::AdminRequest request) {
  HF_ASSIGN(const v1::AdminReply reply, Ask(std::move(request), v1::AdminReply::kRunsMade));
  return std::vector<std::string>(reply.runs_made().runs().begin(), reply.runs_made().runs().end());
}

Result<std::vector<v1::AgentView>> Session::Agents() {
  std::vector<v1::AgentView> agents;
  for (bool more = true; more;) {
    v1::AdminRequest request;
    request.mutable_agent_list()->set_after(agents.empty() ? "" : agents.back().node());
    HF_ASSIGN(const v1::AdminReply reply, Ask(std::move(request), v1::AdminReply::kAgents));
    agents.insert(agents.end(), reply.agents().agents().begin(), reply.agents().agents().end());
    more = reply.agents().more() && reply.agents().agents_size() > 0;
  }
  return agents;
}

Result<v1::RunView> Session::FindRun(const std::string& run) {
  v1::AdminRequest request;
  request.mutable_run_show()->set_run(run);
  HF_ASSIGN(v1::AdminReply reply, Ask(std::move(request), v1::AdminReply::kRun));
  return std::move(*reply.mutable_run());
}

void Session::ReportSkippedSnapshots(const v1::SnapshotView& snapshot) {
  if (snapshot.passed_over().empty()) return;
  Tell("passed over newer snapshots: " + JoinTexts(snapshot.passed_over()));
}

Result<Session::RunsOutcome> Session::Follow(const std::vector<std::string>& runs) {
  HF_ASSIGN(ControllerClient * client, Client());
  const DisplayStyle style = globals_.json                          ? DisplayStyle::kJson
                             : context_.terminal->errors_are_live() ? DisplayStyle::kLive
                                                                    : DisplayStyle::kPlain;
  RunsOutcome outcome;
  {
    RunDisplay display(style, *context_.terminal, *context_.clock);
    HF_ASSIGN(Followed followed,
              FollowRuns(*client, runs, context_.follow, *context_.clock, display));
    outcome.runs = std::move(followed.runs);
    outcome.left = std::move(followed.left);
  }
  if (outcome.left) {
    if (outcome.left->code() == ErrorCode::kCancelled) {
      outcome.left =
          Error(ErrorCode::kCancelled, "no longer following; the run continues")
              .WithHint(fmt::format("`holdfast run watch {}` follows it again", runs.front()));
    }
    ShowError(*outcome.left);
    outcome.code = ExitCodeOf(*outcome.left, true);
    return outcome;
  }
  std::vector<int> codes;
  for (v1::RunView& run : outcome.runs) {
    // A watch has no reports. If they cannot be read, the result is known anyway.
    if (Result<v1::RunView> whole = FindRun(run.run())) run = *std::move(whole);
    codes.push_back(ExitCodeOfRun(run));
  }
  outcome.code = CombineExitCodes(codes);
  return outcome;
}

Result<int> Session::FollowAndFinish(const std::vector<std::string>& runs, int partly_code) {
  if (runs.empty()) {
    return Fail(ErrorCode::kCorrupt, "the controller started no run and gave no reason");
  }
  RunsOutcome outcome;
  if (verb_.no_wait()) {
    for (const std::string& run : runs) {
      HF_ASSIGN(outcome.runs.emplace_back(), FindRun(run));
    }
  } else {
    HF_ASSIGN(outcome, Follow(runs));
  }
  if (outcome.code == kExitPartlyDone) outcome.code = partly_code;
  return Finish(
      outcome.code,
      [&] {
        std::string text;
        for (const v1::RunView& run : outcome.runs) {
          text += (text.empty() ? "" : "\n") + cluster::RunDetailsText(run, screen());
          if (verb_.no_wait())
            text += fmt::format("to follow it: holdfast run watch {}\n", run.run());
        }
        return text;
      },
      [&] { return cluster::RunsJson(verb_name_, outcome.runs, outcome.left, outcome.code); });
}

}  // namespace holdfast::cli
