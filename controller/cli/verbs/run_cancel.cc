#include <cstdint>
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

// What remains after a cancelled run.
std::string KeptText(const v1::RunView& run) {
  switch (run.kind()) {
    case v1::ORDER_KIND_BACKUP: {
      const auto snapshots = static_cast<std::uint64_t>(run.snapshots_size());
      return fmt::format(
          "kept: {} of this run, and all earlier snapshots\n"
          "  a snapshot that an agent was already writing may still appear: holdfast run show {}\n"
          "  data that was saved without a snapshot stays in the repository until the next prune; "
          "the next backup reuses it\n",
          FormatCount(snapshots, "snapshot"), run.run());
    }
    case v1::ORDER_KIND_RESTORE:
      return "kept: files that were already restored to the directory; the same restore "
             "continues there\n";
    case v1::ORDER_KIND_RESTORE_IN_PLACE:
      return fmt::format(
          "kept: if the restore has not started, the live state; if it has, the node finishes or "
          "undoes it: holdfast run show {}\n",
          run.run());
    default:
      return "nothing was changed, so there is nothing to keep\n";
  }
}

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
                  fmt::format("run {} has ended already: {}", run.run(), run.state()),
                  fmt::format("see `holdfast run show {}`", run.run()));
    }
    v1::AdminRequest request;
    request.mutable_run_cancel()->set_run(run.run());
    HF_TRY(session.Ask(std::move(request), v1::AdminReply::kRunsMade));
    Session::RunsOutcome outcome{{run}, std::nullopt, kExitDone};
    if (!no_wait()) {
      HF_ASSIGN(outcome, session.Follow({run.run()}));
      // The cancellation was requested, so it is a success.
      if (outcome.runs.front().state() == "cancelled") outcome.code = kExitDone;
    }
    return session.Finish(
        outcome.code,
        [&] {
          const v1::RunView& end = outcome.runs.front();
          return (no_wait() ? fmt::format("run {} is being cancelled\n", run.run())
                            : RunDetailsText(end, session.screen())) +
                 KeptText(end);
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
                   .summary = "cancel a run, and say what is kept",
                   .examples = "  holdfast run cancel 01J9\n"},
          .make = MakeOperatorVerb<RunCancelVerb>};
}

}  // namespace holdfast::cli::cluster
