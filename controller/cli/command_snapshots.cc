#include "common/base/format.h"
#include "controller/cli/cluster_json.h"
#include "controller/cli/cluster_text.h"
#include "controller/cli/commands.h"

namespace holdfast::cli {

Result<int> RunSnapshotList(Session& session) {
  const OperatorLine& line = session.line();
  std::vector<v1::SnapshotView> snapshots;
  std::string next;
  do {
    v1::AdminRequest request;
    v1::SnapshotListRequest& list = *request.mutable_snapshot_list();
    list.set_source(line.source);
    list.set_run(line.run);
    list.set_safety(line.with_safety);
    list.set_before(next);
    list.set_limit(line.limit == 0 ? 0 : line.limit - static_cast<std::uint32_t>(snapshots.size()));
    HF_ASSIGN(const v1::AdminReply reply,
              session.Ask(std::move(request), v1::AdminReply::kSnapshots));
    const v1::SnapshotListReply& page = reply.snapshots();
    snapshots.insert(snapshots.end(), page.snapshots().begin(), page.snapshots().end());
    // A page without anything that names a next one would go on for ever.
    next = page.snapshots_size() > 0 ? page.next() : "";
  } while (!next.empty() && (line.limit == 0 || snapshots.size() < line.limit));
  return session.Finish(
      0, [&] { return SnapshotsText(snapshots, !next.empty(), session.screen()); },
      [&] { return SnapshotsJson(snapshots, !next.empty()); });
}

Result<int> RunSnapshotShow(Session& session) {
  v1::AdminRequest request;
  v1::SnapshotShowRequest& show = *request.mutable_snapshot_show();
  show.set_snapshot(session.line().name);
  show.set_allow_partial(session.line().allow_partial);
  show.set_allow_invalid(session.line().allow_invalid);
  HF_ASSIGN(const v1::AdminReply reply, session.Ask(std::move(request), v1::AdminReply::kSnapshot));
  TellPassedOver(session, reply.snapshot());
  return session.Finish(
      0, [&] { return SnapshotDetailsText(reply.snapshot()); },
      [&] { return SnapshotJson(reply.snapshot()); });
}

}  // namespace holdfast::cli
