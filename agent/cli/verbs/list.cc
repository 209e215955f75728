#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "agent/cli/agent_program.h"
#include "agent/cli/agent_verb.h"
#include "agent/cli/report.h"
#include "agent/jobs/session/snapshot_finder.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"
#include "common/cli/table.h"

namespace holdfast::cli {
namespace {

std::string ListText(const std::vector<jobs::RepositoryListing>& listings,
                     const std::string& selector, Screen screen) {
  const bool several = listings.size() > 1;
  const auto has_note = [](const jobs::RepositoryListing& listing) {
    return std::ranges::any_of(listing.snapshots, [](const repository::SnapshotInfo& snapshot) {
      return !snapshot.note.empty();
    });
  };
  const bool has_notes = std::ranges::any_of(listings, has_note);
  Rows rows;
  for (const jobs::RepositoryListing& listing : listings) {
    for (const repository::SnapshotInfo& snapshot : listing.snapshots) {
      bool has_summary = snapshot.files > 0 || snapshot.bytes_processed > 0;
      std::vector<Cell> row = {
          ShortId(snapshot.id.Hex()),
          FormatTime(snapshot.time.seconds, 0),
          SourceLabel(snapshot),
          snapshot.host,
          has_summary ? FormatCount(snapshot.files) : "-",
          has_summary ? FormatBytes(snapshot.bytes_processed) : "-",
          StateCell(OtherTags(snapshot)),
      };
      if (several) row.insert(row.begin(), listing.repository);
      if (has_notes) row.emplace_back(snapshot.note);
      rows.push_back(std::move(row));
    }
  }
  if (rows.empty()) {
    bool all_known =
        std::ranges::all_of(listings, [](const auto& listing) { return !listing.error; });
    if (!all_known) return "";
    return selector.empty()
               ? "no snapshots; `holdfast-agent backup` creates the first ones\n"
               : fmt::format("no snapshots of {} yet; `holdfast-agent backup` creates them\n",
                             Printable(selector));
  }
  std::vector<Column> columns = {{.title = "ID"},
                                 {.title = "TIME", .drop_rank = 1},
                                 {.title = "SOURCE", .is_flexible = true},
                                 {.title = "HOST", .is_flexible = true, .drop_rank = 3},
                                 {.title = "FILES", .is_right = true, .drop_rank = 5},
                                 {.title = "SIZE", .is_right = true, .drop_rank = 4},
                                 {.title = "TAGS", .is_flexible = true, .drop_rank = 2}};
  if (several)
    columns.insert(columns.begin(),
                   Column{.title = "REPOSITORY", .is_flexible = true, .drop_rank = 2});
  if (has_notes) columns.push_back({.title = "NOTE", .is_flexible = true, .drop_rank = 6});
  return FormatTable(columns, rows, screen);
}

std::string ListJson(const std::vector<jobs::RepositoryListing>& listings, int exit_code) {
  Json document = Document("list", exit_code);
  document["repositories"] = Json::array();
  for (const jobs::RepositoryListing& listing : listings) {
    Json snapshots = Json::array();
    for (const repository::SnapshotInfo& snapshot : listing.snapshots) {
      snapshots.push_back(SnapshotObject(snapshot));
    }
    document["repositories"].push_back({{"repository", listing.repository},
                                        {"snapshots", std::move(snapshots)},
                                        {"error", ErrorOrNull(listing.error)}});
  }
  return Dump(document);
}

class ListVerb final : public AgentVerb {
 public:
  using AgentVerb::AgentVerb;

  void Declare(OptionList& options) override {
    options
        .Add({.names = "source",
              .metavar = "KIND/NAME[@HOST]",
              .help = "snapshots of these sources, * is allowed; default: all",
              .value = &selector_})
        .Add({.names = "--safety",
              .help = "also show safety snapshots: what in-place restores replaced",
              .value = &with_safety_});
    AddRepositoryChoice(options);
  }

  Result<int> Run(AgentProgram& program) override {
    HF_ASSIGN(const std::vector<jobs::RepositoryAddress> repositories, program.Repositories());
    if (!selector_.empty() && selector_.find('/') == std::string::npos) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("source {}; expected kind/name, `*` allowed", Quote(selector_)));
    }
    const std::vector<jobs::RepositoryListing> listings =
        jobs::ListRepositories(program.job(), repositories, selector_, with_safety_);
    HF_TRY(jobs::CheckListed(program.job(), selector_, listings));
    std::vector<int> codes;
    for (const jobs::RepositoryListing& listing : listings) {
      codes.push_back(listing.error ? ExitCodeOf(*listing.error) : kExitDone);
      if (listing.error) program.ShowError(*listing.error);
    }
    const int code = CombineExitCodes(codes);
    return program.Finish(
        code, [&] { return ListText(listings, selector_, program.screen()); },
        [&] { return ListJson(listings, code); });
  }

 private:
  std::string selector_;
  bool with_safety_ = false;
};

}  // namespace

VerbEntry ListEntry() {
  return {
      .text =
          {.names = {"list", "snapshots"},
           .section = "Back up, browse and restore",
           .summary = "show the snapshots",
           .examples =
               "  holdfast-agent list\n"
               "  holdfast-agent list files/app\n"
               "  holdfast-agent list 'files/*@web-1'\n"
               "  holdfast-agent list --repository-url file:/srv/backup/main --password-file p\n"},
      .make = MakeVerb<ListVerb>};
}

}  // namespace holdfast::cli
