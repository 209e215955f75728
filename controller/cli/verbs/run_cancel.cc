#include <optional>
#include <string>
#include <utility>

#include "common/base/format.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/run_report.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

class RunCancelVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    AddRun(options, run_);
    AddNoWait(options);
  }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(v1::RunView run, session.FindRun(run_));
    if (IsRunEnded(run)) {
      return Fail(ErrorCode::kNotFound,
                  fmt::format("run {} has ended already: {}", run.run(), run.state()));
    }
    v1::AdminRequest request;
    request.mutable_run_cancel()->set_run(run.run());
    HF_TRY(session.Ask(std::move(request), v1::AdminReply::kRunsMade));
    Session::RunsOutcome outcome{{run}, std::nullopt, kExitDone};
    if (!no_wait()) {
      HF_ASSIGN(outcome, session.Follow({run.run()}));
      // Its end is what was asked for.
      if (outcome.runs.front().state() == "cancelled") outcome.code = kExitDone;
    }
    return session.Finish(
        outcome.code,
        [&] {
          return no_wait() ? fmt::format("run {} is being cancelled\n", run.run())
                           : RunDetailsText(outcome.runs.front(), session.screen());
        },
        [&] { return RunsJson(session.verb_name(), outcome.runs, outcome.left, outcome.code); });
  }

 private:
  std::string run_;
};

}  // namespace

OperatorVerbEntry RunCancelEntry() {
  return {.text = {.names = {"run cancel"},
                   .section = "Follow runs",
                   .summary = "end a run; what it has saved remains invisible",
                   .examples = "  holdfast run cancel 01J9\n"},
          .make = MakeOperatorVerb<RunCancelVerb>};
}

}  // namespace holdfast::cli::cluster
