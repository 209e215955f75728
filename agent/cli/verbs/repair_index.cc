#include <string>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/repair_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string RepairIndexText(const jobs::RepairIndexReport& report) {
  const repository::IndexRepairReport& index = report.index;
  std::string text =
      fmt::format("{}: {}", Printable(report.repository),
                  index.changed_anything() ? "the index was repaired" : "the index is correct");
  text += fmt::format(": {} in it, {} added, {} dropped; {} written, {} removed\n",
                      FormatCount(index.packs, "pack"), FormatCount(index.packs_added),
                      FormatCount(index.packs_dropped),
                      FormatCount(index.index_files_written, "index file"),
                      FormatCount(index.index_files_removed));
  AddLines(text, "damage", index.damage);
  if (index.changed_anything()) text += "  next: holdfast-agent check --read-data\n";
  return text;
}

std::string RepairIndexJson(const jobs::RepairIndexReport& report, int exit_code) {
  const repository::IndexRepairReport& index = report.index;
  Json document = Document("repository repair index", exit_code);
  document["repository"] = report.repository;
  document["packs"] = index.packs;
  document["packs_read"] = index.packs_read;
  document["packs_added"] = index.packs_added;
  document["packs_dropped"] = index.packs_dropped;
  document["index_files_written"] = index.index_files_written;
  document["index_files_removed"] = index.index_files_removed;
  document["damage"] = List(index.damage);
  return Dump(document);
}

class RepairIndexVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options.Add({.names = "--read-all-packs",
                 .help = "compare the list of blobs in every pack, not only its size",
                 .value = &read_all_packs_});
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.OneRepository());
    HF_ASSIGN(const jobs::RepairIndexReport report,
              jobs::RunRepairIndex(program.job(), repository, read_all_packs_));
    const int code = report.index.damage.empty() ? kExitDone : kExitPartlyDone;
    return program.Finish(
        code, [&] { return RepairIndexText(report); },
        [&] { return RepairIndexJson(report, code); });
  }

 private:
  bool read_all_packs_ = false;
};

}  // namespace

VerbEntry RepairIndexEntry() {
  return {.text = {.names = {"repair index", "repository repair index"},
                   .section = "Repository",
                   .summary = "rebuild the index from the packs",
                   .examples = "  holdfast-agent repair index\n"
                               "  holdfast-agent repair index --read-all-packs\n",
                   .json_name = "repository repair index"},
          .make = MakeVerb<RepairIndexVerb>};
}

}  // namespace holdfast::cli
