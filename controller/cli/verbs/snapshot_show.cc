#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/cli/table.h"
#include "controller/cli/operator_verb.h"
#include "controller/cli/report.h"
#include "controller/cli/run_words.h"
#include "controller/cli/session.h"

namespace holdfast::cli::cluster {
namespace {

std::string SnapshotDetailsText(const v1::SnapshotView& snapshot) {
  const std::map<std::string, std::string> position(snapshot.position().begin(),
                                                    snapshot.position().end());
  const std::string where = JoinTexts(position, [](const auto& entry) {
    return fmt::format("{} {}", entry.first, ShortenTime(entry.second));
  });
  std::vector<std::pair<std::string, std::string>> words = {
      {"snapshot", Hex(snapshot.id())},
      {"source", snapshot.source()},
      {"host", snapshot.host()},
      {"time", TimeText(snapshot.time_ms())},
      {"repository", snapshot.repository()},
      {"run", snapshot.run()},
      {"contents", ContentText(snapshot)},
      {"state", SnapshotMarks(snapshot).empty() ? "complete" : SnapshotMarks(snapshot)},
      {"missing",
       snapshot.missing_count() > 0 ? FormatCount(snapshot.missing_count(), "item") : ""},
      {"position", where},
      {"cut", snapshot.cut_barrier_met() ? "together with the run's other sources" : "on its own"},
      {"parent", ShortHex(snapshot.parent())},
      {"note", snapshot.note()},
  };
  std::erase_if(words, [](const auto& pair) { return pair.second.empty(); });
  return Aligned(words);
}

std::string SnapshotJson(const v1::SnapshotView& snapshot) {
  Json document = Document("snapshot show", 0);
  document["snapshot"] = SnapshotObject(snapshot);
  return Dump(document);
}

class SnapshotShowVerb final : public OperatorVerb {
 public:
  void Declare(OptionList& options) override {
    AddSnapshot(options, snapshot_);
    options.Add({.names = "--node",
                 .metavar = "NODE",
                 .help = "with latest: the node, if several nodes have this source",
                 .value = &node_});
    latest_.Declare(options);
  }

  Result<int> Run(Session& session) override {
    v1::AdminRequest request;
    v1::SnapshotShowRequest& show = *request.mutable_snapshot_show();
    show.set_snapshot(snapshot_);
    show.set_node(node_);
    show.set_allow_partial(latest_.allow_partial);
    show.set_allow_invalid(latest_.allow_invalid);
    HF_ASSIGN(const v1::AdminReply reply,
              session.Ask(std::move(request), v1::AdminReply::kSnapshot));
    session.ReportSkippedSnapshots(reply.snapshot());
    return session.Finish(
        0, [&] { return SnapshotDetailsText(reply.snapshot()); },
        [&] { return SnapshotJson(reply.snapshot()); });
  }

 protected:
  Result<void> CheckOptions() override { return CheckSnapshotName(snapshot_); }

 private:
  std::string snapshot_;
  std::string node_;
  LatestOptions latest_;
};

}  // namespace

OperatorVerbEntry SnapshotShowEntry() {
  return {.text = {.names = {"snapshot show"},
                   .section = "Back up, browse and restore",
                   .summary = "show one snapshot",
                   .examples = "  holdfast snapshot show latest:etcd/main\n"
                               "  holdfast snapshot show latest:files/app --node web-1\n"
                               "  holdfast snapshot show 3fa2b1c4\n"},
          .make = MakeOperatorVerb<SnapshotShowVerb>};
}

}  // namespace holdfast::cli::cluster
