#include <string>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/daemon/service_owner.h"
#include "agent/jobs/maintenance/init_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string InitText(const jobs::InitReport& report) {
  std::string text = fmt::format("created repository {} at {}\n", Printable(report.repository),
                                 Printable(report.url));
  if (report.password_generated) {
    text += fmt::format(
        "created its password file: {}\nKeep a copy of this file somewhere else: without it, the "
        "repository cannot be read.\n",
        Printable(report.password_file));
  }
  for (const std::string& warning : report.warnings) text += "warning: " + warning + "\n";
  return text;
}

std::string InitJson(const jobs::InitReport& report) {
  Json document = Document("repository init", 0);
  document["repository"] = report.repository;
  document["url"] = report.url;
  document["id"] = report.id;
  document["password_file"] = report.password_file;
  document["password_made"] = report.password_generated;
  document["warnings"] = List(report.warnings);
  return Dump(document);
}

class RepositoryInitVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options.Add({.names = "--repository",
                 .metavar = "NAME",
                 .help = "its name in the configuration; required if there are several",
                 .value = &repository_});
  }

  bool stays_root() const override { return true; }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.OneRepository());
    HF_ASSIGN(const jobs::InitReport report, jobs::RunInit(program.job(), repository));
    HF_TRY(agent::ChownNewRepository(*program.settings(), repository.url,
                                     report.password_generated ? repository.password_file : ""));
    return program.Finish(
        kExitDone, [&] { return InitText(report); }, [&] { return InitJson(report); });
  }
};

}  // namespace

VerbEntry RepositoryInitEntry() {
  return {
      .text = {.names = {"init", "repository init"},
               .section = "Repository",
               .summary = "create a repository, and a random password if its file does not exist",
               .examples = "  holdfast-agent init --config agent.yaml --repository main\n",
               .json_name = "repository init"},
      .make = MakeVerb<RepositoryInitVerb>};
}

}  // namespace holdfast::cli
