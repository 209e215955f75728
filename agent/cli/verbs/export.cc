#include <string>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/archive_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string ExportText(const jobs::ExportJobReport& report) {
  std::string text = fmt::format(
      "exported snapshot {} to {}: {}, {} in {}\n", report.snapshot.id.Hex().substr(0, 8),
      Printable(report.file), FormatCount(report.counts.items, "item"),
      FormatBytes(report.counts.bytes), FormatBytes(report.counts.bytes_written));
  AddLines(text, "warnings", report.warnings);
  return text + "The file is NOT encrypted: anyone who has it can read everything in it.\n";
}

std::string ExportJson(const jobs::ExportJobReport& report) {
  Json document = Document("export", 0);
  document["repository"] = report.repository;
  document["snapshot"] = SnapshotObject(report.snapshot);
  document["file"] = report.file;
  document["encrypted"] = false;
  document["items"] = report.counts.items;
  document["bytes"] = report.counts.bytes;
  document["bytes_written"] = report.counts.bytes_written;
  document["warnings"] = List(report.warnings);
  return Dump(document);
}

class ExportVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    AddSnapshot(options, snapshot_);
    options.Add(
        {.names = "--to",
         .metavar = "DIR",
         .help =
             "the directory for CLUSTER_KIND_NAME_TIME.tar.zst; existing files are not replaced",
         .value = &to_,
         .is_required = true});
    AddLatestRule(options);
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  bool stays_root() const override { return true; }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const std::vector<jobs::RepositoryAddress> repositories, program.Repositories());
    HF_ASSIGN(const std::string directory, AbsolutePath(to_));
    HF_ASSIGN(const jobs::ExportJobReport report,
              jobs::RunExport(program.job(), repositories, snapshot_, directory));
    return program.Finish(
        kExitDone, [&] { return ExportText(report); }, [&] { return ExportJson(report); });
  }

 private:
  std::string snapshot_;
  std::string to_;
};

}  // namespace

VerbEntry ExportEntry() {
  return {.text = {.names = {"export"},
                   .section = "Back up, browse and restore",
                   .summary = "write a snapshot to one unencrypted file",
                   .examples = "  holdfast-agent export latest:etcd/main --to /media/stick\n"
                               "  tar --zstd -tf prod_etcd_main_20260102T030405Z.tar.zst\n"},
          .make = MakeVerb<ExportVerb>};
}

}  // namespace holdfast::cli
