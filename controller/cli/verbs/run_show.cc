#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "controller/cli/operator_verb.h"
#include "controller/cli/run_report.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

// The run with all its tasks and their reports, read page by page.
Result<v1::RunView> ReadWholeRun(Session& session, const std::string& run) {
  v1::RunView whole;
  for (std::uint32_t first = 0;;) {
    v1::AdminRequest request;
    request.mutable_run_show()->set_run(first == 0 ? run : whole.run());
    request.mutable_run_show()->set_paged(true);
    request.mutable_run_show()->set_first_task(first);
    HF_ASSIGN(v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kRun));
    const std::uint32_t next = reply.run().next_task();
    if (first == 0) {
      whole = std::move(*reply.mutable_run());
    } else {
      for (v1::TaskView& task : *reply.mutable_run()->mutable_tasks()) {
        *whole.add_tasks() = std::move(task);
      }
    }
    if (next <= first) return whole;
    first = next;
  }
}

class RunShowVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override { AddRun(options, run_); }

  std::string Notes() const override {
    return "The exit code is that of the run; 0 while it runs.\n";
  }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(const v1::RunView run, ReadWholeRun(session, run_));
    const int code = IsRunEnded(run) ? ExitCodeOfRun(run) : kExitDone;
    return session.Finish(
        code, [&] { return RunDetailsText(run, session.screen()); },
        [&] { return RunsJson(session.verb_name(), {run}, std::nullopt, code); });
  }

 private:
  std::string run_;
};

}  // namespace

OperatorVerbEntry RunShowEntry() {
  return {.text = {.names = {"run show"},
                   .section = "Follow runs",
                   .summary = "show one run with its tasks",
                   .examples = "  holdfast run show 01J9\n  holdfast run show 01J9 --json\n"},
          .make = MakeOperatorVerb<RunShowVerb>};
}

}  // namespace holdfast::cli::cluster
