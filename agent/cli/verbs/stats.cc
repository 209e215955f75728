#include <string>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/inspect_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"
#include "common/repository/snapshot/tree_stats.h"

namespace holdfast::cli {
namespace {

std::string StatsText(const jobs::StatsReport& report) {
  const repository::TreeStats& stats = report.stats;
  std::string text = fmt::format(
      "{}: {} of {}: {}", Printable(report.repository), repository::StatsModeName(report.mode),
      FormatCount(stats.snapshots, "snapshot"), FormatBytes(stats.bytes));
  if (report.mode != repository::StatsMode::kRawData) {
    const bool is_all = report.mode == repository::StatsMode::kRestoreSize;
    text += fmt::format(", {} {}", FormatCount(stats.entries),
                        is_all ? "files and directories" : "files");
  }
  if (stats.blobs > 0) text += ", " + FormatCount(stats.blobs, "blob");
  if (stats.bytes_stored > 0) {
    text += fmt::format(", {} stored ({:.2f} to 1)", FormatBytes(stats.bytes_stored),
                        static_cast<double>(stats.bytes) / static_cast<double>(stats.bytes_stored));
  }
  text += "\n";
  AddLines(text, "warnings", report.warnings);
  return text;
}

std::string StatsJson(const jobs::StatsReport& report) {
  using repository::StatsMode;
  const bool is_raw = report.mode == StatsMode::kRawData;
  const bool has_blobs = is_raw || report.mode == StatsMode::kBlobsPerFile;
  Json document = Document("repository stats", 0);
  document["repository"] = report.repository;
  document["mode"] = repository::StatsModeName(report.mode);
  document["snapshots"] = report.stats.snapshots;
  document["entries"] = is_raw ? Json() : Json(report.stats.entries);
  document["blobs"] = has_blobs ? Json(report.stats.blobs) : Json();
  document["bytes"] = report.stats.bytes;
  document["bytes_stored"] = is_raw ? Json(report.stats.bytes_stored) : Json();
  document["warnings"] = List(report.warnings);
  return Dump(document);
}

class StatsVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options
        .Add({.names = "snapshot",
              .metavar = "SNAPSHOT",
              .help = "as `restore` takes it; default: all",
              .value = &snapshots_})
        .Add({.names = "--mode",
              .metavar = "MODE",
              .help = "restore-size (the default), files-by-contents, blobs-per-file or raw-data",
              .value = [this](const std::string& text) -> Result<void> {
                HF_ASSIGN(mode_, repository::ParseStatsMode(text));
                return {};
              }});
    AddLatestRule(options);
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.RepositoryOf(snapshots_));
    HF_ASSIGN(const jobs::StatsReport report,
              jobs::RunStats(program.job(), repository, snapshots_, mode_));
    return program.Finish(
        kExitDone, [&] { return StatsText(report); }, [&] { return StatsJson(report); });
  }

 private:
  std::vector<std::string> snapshots_;
  repository::StatsMode mode_ = repository::StatsMode::kRestoreSize;
};

}  // namespace

VerbEntry StatsEntry() {
  return {.text = {.names = {"stats", "repository stats"},
                   .section = "Repository",
                   .summary = "count files and bytes of snapshots",
                   .examples = "  holdfast-agent stats\n"
                               "  holdfast-agent stats --mode raw-data latest:etcd/main\n",
                   .json_name = "repository stats"},
          .make = MakeVerb<StatsVerb>};
}

}  // namespace holdfast::cli
