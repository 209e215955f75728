#include <string>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/archive_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string ImportText(const jobs::ImportJobReport& report) {
  const repository::ImportReport& counts = report.counts;
  const std::string id = counts.copy.Hex().substr(0, 8);
  if (counts.was_present) {
    return fmt::format("{} already exists as snapshot {} of {}\n", Printable(report.file), id,
                       Printable(report.repository));
  }
  return fmt::format("imported {} as snapshot {} of {}: {}, {}; {} stored\n",
                     Printable(report.file), id, Printable(report.repository),
                     FormatCount(counts.items, "item"), FormatBytes(counts.bytes),
                     FormatBytes(counts.bytes_stored));
}

std::string ImportJson(const jobs::ImportJobReport& report) {
  Json document = Document("import", 0);
  document["repository"] = report.repository;
  document["file"] = report.file;
  document["snapshot"] = report.counts.copy.Hex();
  document["present"] = report.counts.was_present;
  document["original"] = SnapshotObject(report.counts.snapshot);
  document["items"] = report.counts.items;
  document["bytes"] = report.counts.bytes;
  document["bytes_added"] = report.counts.bytes_added;
  document["bytes_stored"] = report.counts.bytes_stored;
  return Dump(document);
}

class ImportVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options.Add({.names = "file",
                 .metavar = "FILE",
                 .help = "a file that `export` wrote",
                 .value = &file_,
                 .is_required = true});
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.OneRepository());
    HF_ASSIGN(const std::string file, AbsolutePath(file_));
    HF_ASSIGN(const jobs::ImportJobReport report, jobs::RunImport(program.job(), repository, file));
    return program.Finish(
        kExitDone, [&] { return ImportText(report); }, [&] { return ImportJson(report); });
  }

 private:
  std::string file_;
};

}  // namespace

VerbEntry ImportEntry() {
  return {.text = {.names = {"import"},
                   .section = "Back up, browse and restore",
                   .summary = "recreate a snapshot from a file that `export` wrote",
                   .examples = "  holdfast-agent import prod_etcd_main_20260102T030405Z.tar.zst\n"
                               "  holdfast-agent import FILE --repository main\n"},
          .make = MakeVerb<ImportVerb>};
}

}  // namespace holdfast::cli
