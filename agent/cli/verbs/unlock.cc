#include <string>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/lock_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string UnlockText(const jobs::UnlockReport& report) {
  std::string text = fmt::format("{}: {} removed", Printable(report.repository),
                                 FormatCount(report.removed, "lock"));
  if (report.left > 0) text += fmt::format(", {} left because it is held", report.left);
  return text + "\n";
}

std::string UnlockJson(const jobs::UnlockReport& report) {
  Json document = Document("repository unlock", 0);
  document["repository"] = report.repository;
  document["removed"] = report.removed;
  document["left"] = report.left;
  return Dump(document);
}

class UnlockVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    AddRepositoryChoice(options);
    options.Add({.names = "--remove-all",
                 .help = "remove held locks too; use it only if no process uses the repository",
                 .value = &remove_all_});
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.OneRepository());
    HF_ASSIGN(const jobs::UnlockReport report,
              jobs::RunUnlock(program.job(), repository, remove_all_));
    return program.Finish(
        kExitDone, [&] { return UnlockText(report); }, [&] { return UnlockJson(report); });
  }

 private:
  bool remove_all_ = false;
};

}  // namespace

VerbEntry UnlockEntry() {
  return {
      .text = {.names = {"unlock", "repository unlock"},
               .section = "Repository",
               .summary =
                   "remove the locks of processes that have ended, and those older than 30 minutes",
               .examples = "  holdfast-agent unlock\n"
                           "  holdfast-agent unlock --remove-all\n",
               .json_name = "repository unlock"},
      .make = MakeVerb<UnlockVerb>};
}

}  // namespace holdfast::cli
