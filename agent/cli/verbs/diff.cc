#include <string>
#include <string_view>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/restore/browse_job.h"
#include "common/base/format.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

std::string ChangeText(const repository::TreeChange& change) {
  return fmt::format("{:<3} {}", change.change, Printable(change.path));
}

std::string DiffText(const jobs::SnapshotDiff& diff) {
  const repository::DiffCounts& added = diff.counts.added;
  const repository::DiffCounts& removed = diff.counts.removed;
  const auto line = [](std::string_view what, std::uint64_t more, std::uint64_t less) {
    return fmt::format("  {:<12} {:>10} new {:>10} removed", what, FormatCount(more),
                       FormatCount(less));
  };
  std::string text =
      fmt::format("{} to {}:\n", ShortId(diff.first.id.Hex()), ShortId(diff.second.id.Hex()));
  text += line("files", added.files, removed.files);
  text += fmt::format(" {:>10} changed\n", FormatCount(diff.counts.changed_files));
  text += line("directories", added.directories, removed.directories) + "\n";
  text += line("others", added.others, removed.others) + "\n";
  text += line("data blobs", added.data_blobs, removed.data_blobs) + "\n";
  text += line("tree blobs", added.tree_blobs, removed.tree_blobs) + "\n";
  text += fmt::format("  {:<12} {:>10} new {:>10} removed\n", "bytes", FormatBytes(added.bytes),
                      FormatBytes(removed.bytes));
  return text;
}

Json DiffSide(const repository::DiffCounts& counts) {
  return {{"files", counts.files},           {"directories", counts.directories},
          {"others", counts.others},         {"data_blobs", counts.data_blobs},
          {"tree_blobs", counts.tree_blobs}, {"bytes", counts.bytes}};
}

std::string ChangeJson(const repository::TreeChange& change) {
  return DumpLine({{"path", change.path}, {"change", change.change}});
}

std::string DiffJson(const std::string& repository, const jobs::SnapshotDiff& diff) {
  Json document = Document("repository diff", 0);
  document["repository"] = repository;
  document["first"] = SnapshotObject(diff.first);
  document["second"] = SnapshotObject(diff.second);
  document["changed_files"] = diff.counts.changed_files;
  document["added"] = DiffSide(diff.counts.added);
  document["removed"] = DiffSide(diff.counts.removed);
  document["error"] = nullptr;
  return Dump(document);
}

class DiffVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options
        .Add({.names = "snapshots",
              .metavar = "SNAPSHOT",
              .help = "two snapshots, each as for `restore`",
              .value = &snapshots_,
              .count_max = 2,
              .count_min = 2})
        .Add({.names = "--metadata",
              .help = "also show paths that differ only in metadata: owner, mode, times",
              .value = &with_attributes_});
    AddLatestRule(options);
    AddRepositoryChoice(options);
    AddRetryLock(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const jobs::RepositoryAddress repository, program.RepositoryOf(snapshots_));
    return program.FinishList("changes", [&](ListOutput& out) -> Result<std::string> {
      HF_ASSIGN(
          const jobs::SnapshotDiff diff,
          jobs::RunDiff(program.job(), repository,
                        {.first = snapshots_.at(0),
                         .second = snapshots_.at(1),
                         .with_attributes = with_attributes_},
                        [&](const repository::TreeChange& change) {
                          return out.Add(out.is_json() ? ChangeJson(change) : ChangeText(change));
                        }));
      return out.is_json() ? DiffJson(repository.label(), diff) : DiffText(diff);
    });
  }

 private:
  std::vector<std::string> snapshots_;
  bool with_attributes_ = false;
};

}  // namespace

VerbEntry DiffEntry() {
  return {.text = {.names = {"diff", "repository diff"},
                   .section = "Back up, browse and restore",
                   .summary = "show what differs between two snapshots",
                   .examples = "  holdfast-agent diff 3fa2b1c4 latest:files/app\n",
                   .json_name = "repository diff"},
          .make = MakeVerb<DiffVerb>};
}

}  // namespace holdfast::cli
