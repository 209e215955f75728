#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/cli/terminal.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/report.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

// `filter` says what the list is limited to; empty: everything.
std::string SnapshotsText(const std::vector<v1::SnapshotView>& snapshots, bool more,
                          const std::string& filter, Screen screen) {
  if (snapshots.empty()) {
    return filter.empty() ? "no snapshots; `holdfast backup --all` creates the first ones\n"
                          : fmt::format("no snapshots of {} yet; `holdfast backup` creates them\n",
                                        Printable(filter));
  }
  std::string text = SnapshotTable(snapshots, screen);
  if (more) text += "there are more: --limit 0 shows all\n";
  return text;
}

std::string SnapshotsJson(const std::vector<v1::SnapshotView>& snapshots, bool more) {
  Json document = Document("snapshot list", 0);
  document["snapshots"] = Json::array();
  for (const auto& snapshot : snapshots) document["snapshots"].push_back(SnapshotObject(snapshot));
  document["more"] = more;
  return Dump(document);
}

class SnapshotListVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    options
        .Add({.names = "source",
              .metavar = "KIND/NAME[@HOST]",
              .help = "only of this source; * allowed",
              .value = &source_})
        .Add({.names = "--run", .metavar = "RUN", .help = "only of this run", .value = &run_})
        .Add({.names = "--safety",
              .help = "also show safety snapshots: what in-place restores replaced",
              .value = &with_safety_});
    AddLimit(options, limit_);
  }

  Result<int> Run(Session& session) override {
    std::vector<v1::SnapshotView> snapshots;
    std::string next;
    do {
      v1::AdminRequest request;
      v1::SnapshotListRequest& list = *request.mutable_snapshot_list();
      list.set_source(source_);
      list.set_run(run_);
      list.set_safety(with_safety_);
      list.set_before(next);
      list.set_limit(limit_ == 0 ? 0 : limit_ - static_cast<std::uint32_t>(snapshots.size()));
      HF_ASSIGN(const v1::AdminReply reply,
                session.Ask(std::move(request), v1::AdminReply::kSnapshots));
      const v1::SnapshotListReply& page = reply.snapshots();
      snapshots.insert(snapshots.end(), page.snapshots().begin(), page.snapshots().end());
      // An empty page that names a next one would repeat for ever.
      next = page.snapshots_size() > 0 ? page.next() : "";
    } while (!next.empty() && (limit_ == 0 || snapshots.size() < limit_));
    return session.Finish(
        0, [&] { return SnapshotsText(snapshots, !next.empty(), Filter(), session.screen()); },
        [&] { return SnapshotsJson(snapshots, !next.empty()); });
  }

 protected:
  Result<void> CheckOptions() override {
    return source_.empty() ? Result<void>{} : CheckSelector(source_);
  }

 private:
  std::string Filter() const {
    if (run_.empty()) return source_;
    return source_.empty() ? "run " + run_ : fmt::format("{} in run {}", source_, run_);
  }

  std::string source_;
  std::string run_;
  bool with_safety_ = false;
  std::uint32_t limit_ = 200;
};

}  // namespace

OperatorVerbEntry SnapshotListEntry() {
  return {.text = {.names = {"snapshot list", "snapshots", "list"},
                   .section = "Back up, browse and restore",
                   .summary = "show snapshots, newest first",
                   .examples =
                       "  holdfast snapshot list etcd/main\n  holdfast snapshot list --run 01J9\n"},
          .make = MakeOperatorVerb<SnapshotListVerb>};
}

}  // namespace holdfast::cli::cluster
