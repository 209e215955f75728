#include <string>

#include "controller/cli/operator_verb.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

class RunWatchVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override { AddRun(options, run_); }

  Result<int> Run(Session& session) override {
    HF_ASSIGN(const v1::RunView run, session.FindRun(run_));
    return session.FollowAndFinish({run.run()});
  }

 private:
  std::string run_;
};

}  // namespace

OperatorVerbEntry RunWatchEntry() {
  return {.text = {.names = {"run watch"},
                   .section = "Follow runs",
                   .summary = "follow a run until it ends",
                   .examples = "  holdfast run watch 01J9\n"},
          .make = MakeOperatorVerb<RunWatchVerb>};
}

}  // namespace holdfast::cli::cluster
