#include "agent/jobs/composition.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/format.h"
#include "common/repository/composer.h"
#include "common/repository/pack_presence.h"

namespace holdfast::jobs {
namespace {

using repository::SnapshotInfo;

bool IsOf(const SnapshotInfo& snapshot, const SnapshotSlot& slot) {
  return snapshot.kind == slot.kind && snapshot.name == slot.name && snapshot.host == slot.host;
}

WallTime ToWallTime(UnixTime time) {
  return WallTime(std::chrono::seconds(time.seconds) + std::chrono::nanoseconds(time.nanoseconds));
}

ComposedSnapshot Describe(const SnapshotInfo& snapshot, Manifest manifest) {
  return {.id = snapshot.id,
          .parent = snapshot.parent,
          .host = snapshot.host,
          .time = ToWallTime(snapshot.time),
          .is_partial = snapshot.is_partial,
          .was_there = false,
          .manifest = std::move(manifest)};
}

Result<ComposedSnapshot> TryReadBack(const JobContext& context, RepositorySession& session,
                                     const repository::Id& snapshot) {
  repository::Repository& repository = session.repository();
  HF_ASSIGN(std::vector<SnapshotInfo> snapshots, repository::ListSnapshots(repository));
  auto found = std::ranges::find(snapshots, snapshot, &SnapshotInfo::id);
  if (found == snapshots.end()) return Fail(ErrorCode::kCorrupt, "it is not in the repository");
  HF_ASSIGN(auto view, repository::OpenSnapshot(repository, *found));
  if (!view->manifest() || view->manifest()->run != context.run) {
    return Fail(ErrorCode::kCorrupt, "its manifest is not the one that was written");
  }
  HF_TRY(view->List("", [](const ViewEntry&) { return Result<void>{}; }));
  return Describe(*found, *view->manifest());
}

}  // namespace

PutDeadline::PutDeadline(const Clock& clock, std::optional<WallTime> time)
    : clock_(clock), time_(time) {
  if (time_) steady_ = clock_.Monotonic() + (*time_ - clock_.Now());
}

Result<void> PutDeadline::Check() const {
  if (!time_ || (clock_.Now() < *time_ && clock_.Monotonic() < steady_)) return {};
  return Fail(ErrorCode::kTimedOut,
              fmt::format("the order to make the snapshot expired at {}", FormatTime(*time_)),
              "nothing was written; the parts can still be composed by another order");
}

const SnapshotInfo* FindPrevious(const std::vector<SnapshotInfo>& snapshots,
                                 const SnapshotSlot& slot, Topology topology) {
  const SnapshotInfo* newest = nullptr;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (!IsOf(snapshot, slot)) continue;
    bool is_worse = topology == Topology::kSharded && snapshot.is_partial && newest != nullptr &&
                    !newest->is_partial;
    if (!is_worse) newest = &snapshot;
  }
  return newest;
}

Result<std::optional<ComposedSnapshot>> FindComposed(const JobContext& context,
                                                     RepositorySession& repository,
                                                     const SnapshotSlot& slot,
                                                     const std::vector<SnapshotInfo>& snapshots) {
  auto found = std::ranges::find_if(snapshots, [&](const SnapshotInfo& snapshot) {
    return IsOf(snapshot, slot) && snapshot.run == context.run;
  });
  if (found == snapshots.end()) return std::nullopt;
  HF_ASSIGN(auto view, repository::OpenSnapshot(repository.repository(), *found));
  ComposedSnapshot composed = Describe(*found, view->manifest().value_or(Manifest()));
  composed.was_there = true;
  return composed;
}

Result<std::optional<ComposedSnapshot>> RepeatRecorded(const JobContext& context,
                                                       RepositorySession& repository,
                                                       const SnapshotSlot& slot,
                                                       SealedJournal& journal,
                                                       const PutDeadline& deadline) {
  HF_ASSIGN(std::optional<Bytes> sealed, journal.Recorded());
  if (!sealed) return std::nullopt;
  auto snapshot = repository::OpenSealedSnapshot(repository.repository(), *sealed);
  if (!snapshot) return Fail(std::move(snapshot).error().While("read the journal's snapshot"));
  if (!IsOf(*snapshot, slot) || snapshot->run != context.run) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the journal's snapshot is of {}, run {}; expected {}, run {}",
                            Quote(snapshot->kind + "/" + snapshot->name), Quote(snapshot->run),
                            Quote(slot.kind + "/" + slot.name), Quote(context.run)));
  }
  const std::array trees = {repository::NamedTree{"the journal's snapshot", snapshot->tree}};
  HF_TRY(repository::CheckPacksOf(repository.repository(), trees, context.stop));
  HF_TRY(deadline.Check());
  HF_ASSIGN(repository::Id id,
            repository::PutSnapshot(repository.repository(), *sealed, repository.lock()));
  HF_ASSIGN(ComposedSnapshot composed, ReadBack(context, repository, id));
  return composed;
}

Result<repository::Id> WriteSnapshot(const JobContext& context, RepositorySession& repository,
                                     const Composition& composition, SealedJournal* journal,
                                     const PutDeadline& deadline) {
  const Manifest& manifest = composition.manifest;
  repository::ComposeOptions options;
  options.host = composition.slot.host;
  options.path = composition.slot.path();
  options.tags = {"run:" + context.run};
  if (!manifest.cluster.empty()) options.tags.push_back("cluster:" + manifest.cluster);
  options.tags.push_back("kind:" + composition.slot.kind);
  if (composition.is_partial) options.tags.push_back("partial");
  options.parent = composition.parent;
  options.user = context.user;
  options.lock = repository.lock();
  options.begin = composition.time;
  options.leave_out = composition.leave_out;
  options.before_put = [&](ByteView sealed) -> Result<void> {
    if (context.stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped by request");
    if (journal != nullptr) HF_TRY(journal->Record(sealed));
    return deadline.Check();
  };
  return repository::Compose(repository.repository(), composition.parts, manifest, options);
}

Result<ComposedSnapshot> ReadBack(const JobContext& context, RepositorySession& repository,
                                  const repository::Id& snapshot) {
  Result<ComposedSnapshot> outcome = TryReadBack(context, repository, snapshot);
  if (outcome) return outcome;
  return Fail(std::move(outcome)
                  .error()
                  .While(fmt::format("read back snapshot {}", snapshot.Hex().substr(0, 8)))
                  .WithHint("run `holdfast-agent check --read-data` and back up again"));
}

}  // namespace holdfast::jobs
