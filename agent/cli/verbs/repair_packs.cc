#include <string>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/maintenance/repair_job.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string RepairPacksText(const jobs::RepairPacksReport& report) {
  const repository::PackRepairReport& packs = report.packs;
  std::string text = fmt::format(
      "{}: {} removed; {} in {} saved to new packs, {} lost\n", Printable(report.repository),
      FormatCount(packs.packs_removed, "pack"), FormatBytes(packs.bytes_saved),
      FormatCount(packs.blobs_saved, "blob"), FormatCount(packs.blobs_lost));
  AddLines(text, "damage", packs.index.damage);
  if (packs.blobs_lost > 0) {
    text +=
        "`backup --rehash` stores lost blobs again if the sources still have them; then\n`check` "
        "names the snapshots that stay damaged.\n";
  }
  return text;
}

std::string RepairPacksJson(const jobs::RepairPacksReport& report, int exit_code) {
  const repository::PackRepairReport& packs = report.packs;
  Json document = Document("repository repair packs", exit_code);
  document["repository"] = report.repository;
  document["packs_removed"] = packs.packs_removed;
  document["blobs_saved"] = packs.blobs_saved;
  document["bytes_saved"] = packs.bytes_saved;
  document["blobs_lost"] = packs.blobs_lost;
  document["index_files_written"] = packs.index.index_files_written;
  document["index_files_removed"] = packs.index.index_files_removed;
  document["damage"] = List(packs.index.damage);
  return Dump(document);
}

class RepairPacksVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options.Add({.names = "pack",
                 .metavar = "PACK",
                 .help = "its full id, as `check` prints it",
                 .value = &packs_,
                 .count_min = 1});
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.OneRepository());
    HF_ASSIGN(const jobs::RepairPacksReport report,
              jobs::RunRepairPacks(program.job(), repository, packs_));
    const int code = report.packs.blobs_lost == 0 ? kExitDone : kExitPartlyDone;
    return program.Finish(
        code, [&] { return RepairPacksText(report); },
        [&] { return RepairPacksJson(report, code); });
  }

 private:
  std::vector<std::string> packs_;
};

}  // namespace

VerbEntry RepairPacksEntry() {
  return {
      .text =
          {.names = {"repair packs", "repository repair packs"},
           .section = "Repository",
           .summary =
               "save the intact blobs of damaged packs to new packs, and remove the damaged ones",
           .examples = "  holdfast-agent check --read-data        # names the damaged ones\n"
                       "  holdfast-agent repair packs 5d41402abc4b2a76b9719d911017c592...\n"
                       "  holdfast-agent backup --rehash          # stores again what was lost\n",
           .json_name = "repository repair packs"},
      .make = MakeVerb<RepairPacksVerb>};
}

}  // namespace holdfast::cli
