#include <string>
#include <utility>
#include <vector>

#include "controller/cli/operator_verb.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

class CheckVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    options
        .Add({.names = "--repository",
              .metavar = "NAME",
              .help = "only this one",
              .value = &repository_})
        .Add({.names = "--read-data",
              .help = "read and hash all data, not only lists",
              .value = &read_data_});
    AddNoWait(options);
  }

  Result<int> Run(Session& session) override {
    v1::AdminRequest request;
    v1::RunRequest& run = *request.mutable_run();
    run.set_kind(v1::ORDER_KIND_VERIFY);
    run.set_repository(repository_);
    run.set_read_data(read_data_);
    HF_ASSIGN(const std::vector<std::string> runs, session.MakeRuns(std::move(request)));
    // Damage in one repository is a failure, however sound the others are.
    return session.FollowAndFinish(runs, kExitFailed);
  }

 private:
  std::string repository_;
  bool read_data_ = false;
};

}  // namespace

OperatorVerbEntry CheckEntry() {
  return {
      .text = {.names = {"check"},
               .section = "Back up, browse and restore",
               .summary = "let agents check the repositories for damage",
               .examples = "  holdfast check\n  holdfast check --repository main --read-data\n"},
      .make = MakeOperatorVerb<CheckVerb>};
}

}  // namespace holdfast::cli::cluster
