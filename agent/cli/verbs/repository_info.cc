#include <string>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/inspect_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string InfoText(const jobs::InfoReport& report) {
  std::string text = fmt::format("{} at {}\n  id: {}\n  format: restic, version {}\n",
                                 Printable(report.repository), Printable(report.url),
                                 Printable(report.config.id), report.config.version);
  for (const auto& [kind, files] : report.files) {
    text += fmt::format("  {}: {}, {}\n", FileKindName(kind), FormatCount(files.count, "file"),
                        FormatBytes(files.bytes));
  }
  if (report.oldest && report.newest) {
    text += fmt::format("  snapshots from {} to {}\n", FormatTime(report.oldest->seconds, 0),
                        FormatTime(report.newest->seconds, 0));
  }
  AddLines(text, "warnings", report.warnings);
  return text;
}

std::string InfoJson(const jobs::InfoReport& report) {
  Json document = Document("repository info", 0);
  document["repository"] = report.repository;
  document["url"] = report.url;
  document["id"] = report.config.id;
  document["version"] = report.config.version;
  document["key"] = report.key.Hex();
  document["files"] = Json::object();
  for (const auto& [kind, files] : report.files) {
    document["files"][std::string(FileKindName(kind))] = {{"count", files.count},
                                                          {"bytes", files.bytes}};
  }
  document["oldest"] = report.oldest ? Time(*report.oldest) : Json();
  document["newest"] = report.newest ? Time(*report.newest) : Json();
  document["warnings"] = List(report.warnings);
  return Dump(document);
}

class RepositoryInfoVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override { AddRepositoryChoice(options); }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.OneRepository());
    HF_ASSIGN(const jobs::InfoReport report, jobs::RunInfo(program.job(), repository));
    return program.Finish(
        kExitDone, [&] { return InfoText(report); }, [&] { return InfoJson(report); });
  }
};

}  // namespace

VerbEntry RepositoryInfoEntry() {
  return {.text = {.names = {"repository info"},
                   .section = "Repository",
                   .summary = "show id, format and files of a repository",
                   .examples = "  holdfast-agent repository info\n"},
          .make = MakeVerb<RepositoryInfoVerb>};
}

}  // namespace holdfast::cli
