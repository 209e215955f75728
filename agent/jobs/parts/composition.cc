#include "agent/jobs/parts/composition.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/source_name.h"
#include "common/repository/maintain/pack_presence.h"
#include "common/repository/snapshot/note_tag.h"

namespace holdfast::jobs {
namespace {

using repository::SnapshotInfo;

bool IsOf(const SnapshotInfo& snapshot, const SnapshotSlot& slot) {
  return snapshot.kind == slot.kind && snapshot.name == slot.name && snapshot.host == slot.host;
}

// A safety snapshot counts as one of its source.
bool IsOfSource(const SnapshotInfo& snapshot, const SnapshotSlot& slot) {
  return snapshot.kind == slot.kind && snapshot.host == slot.host &&
         (snapshot.name == slot.name || SafetyNameOf(snapshot.name) == slot.name);
}

ComposedSnapshot Describe(const SnapshotInfo& snapshot, Manifest manifest) {
  const SnapshotCounts counts = CountsOf(snapshot, manifest);
  return {.id = snapshot.id,
          .parent = snapshot.parent,
          .host = snapshot.host,
          .time = ToWallTime(snapshot.time),
          .is_partial = snapshot.is_partial,
          .is_invalid = snapshot.is_invalid,
          .was_there = false,
          .manifest = std::move(manifest),
          .counts = counts};
}

// Each attempt writes the same bytes, so a failed attempt that in fact took effect does no harm.
Result<void> PutUntilDeadline(const JobContext& context, RepositorySession& session,
                              ByteView sealed, PutOnce& once) {
  constexpr std::chrono::milliseconds kPauseMax{30'000};
  std::optional<Error> before;
  for (std::chrono::milliseconds pause{500};; pause = std::min(pause * 2, kPauseMax)) {
    Result<void> may = context.stop.stop_requested() ? Stopped() : once.deadline.Check();
    if (!may && before) return Fail(*std::move(before));  // it says more
    HF_TRY(std::move(may));
    once.began = true;
    auto put = repository::PutSnapshot(session.repository().files(), sealed, session.lock(),
                                       [&once] { return once.deadline.Check(); });
    if (put) return {};
    if (put.error().code() != ErrorCode::kUnavailable) return Fail(std::move(put).error());
    before = std::move(put).error();
    context.Wait(pause);
  }
}

Result<ComposedSnapshot> TryReadBack(const JobContext& context, RepositorySession& session,
                                     const repository::Id& snapshot) {
  repository::Repository& repository = session.repository();
  Result<SnapshotInfo> found = repository::LoadSnapshot(repository.files(), snapshot);
  if (!found && found.error().code() == ErrorCode::kNotFound) {
    return Fail(ErrorCode::kCorrupt, "it is not in the repository");
  }
  if (!found) return Fail(std::move(found).error());
  HF_ASSIGN(auto view, repository::OpenSnapshot(repository, *found));
  if (!view->manifest() || view->manifest()->run != context.run) {
    return Fail(ErrorCode::kCorrupt, "its manifest differs from the one that was written");
  }
  HF_TRY(view->List("", [](const ViewEntry&) { return Result<void>{}; }));
  return Describe(*found, *view->manifest());
}

}  // namespace

SnapshotCounts CountsOf(const SnapshotInfo& snapshot, const Manifest& manifest) {
  SnapshotCounts counts{.files = snapshot.files,
                        .bytes = snapshot.bytes_processed,
                        .bytes_added = snapshot.bytes_added,
                        .bytes_stored = snapshot.bytes_stored};
  for (const PartManifest& part : manifest.parts) counts.items += part.items;
  return counts;
}

PutDeadline::PutDeadline(const Clock& clock, WallTime time)
    : clock_(clock), time_(time), steady_(clock.Monotonic() + (time - clock.Now())) {}

Result<void> PutDeadline::Check() const {
  if (clock_.Now() < time_ && clock_.Monotonic() < steady_) return {};
  return Fail(ErrorCode::kTimedOut,
              fmt::format("the order to create the snapshot expired at {}", FormatShortTime(time_)),
              "the parts can still be composed by another order");
}

const SnapshotInfo* FindPrevious(const std::vector<SnapshotInfo>& snapshots,
                                 const SnapshotSlot& slot, Topology topology) {
  const SnapshotInfo* newest = nullptr;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (snapshot.is_safety || !IsOfSource(snapshot, slot)) continue;
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
                                                       RepositorySession& session,
                                                       const SnapshotSlot& slot, PutOnce& once) {
  HF_ASSIGN(std::optional<Bytes> sealed, once.journal.Recorded());
  if (!sealed) return std::nullopt;
  repository::Repository& repository = session.repository();
  auto snapshot = repository::OpenSealedSnapshot(repository.files(), *sealed);
  if (!snapshot) return Fail(std::move(snapshot).error().While("read the journal's snapshot"));
  if (!IsOf(*snapshot, slot) || snapshot->run != context.run) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the journal's snapshot is of {}, run {}; expected {}, run {}",
                            Quote(snapshot->kind + "/" + snapshot->name), Quote(snapshot->run),
                            Quote(slot.kind + "/" + slot.name), Quote(context.run)));
  }
  const std::array trees = {repository::NamedTree{"the journal's snapshot", snapshot->tree}};
  HF_TRY(repository::CheckPacksOf(repository, trees, context.stop));
  HF_ASSIGN(auto view, repository::OpenSnapshot(repository, *snapshot));
  HF_TRY(once.journal.Record(Describe(*snapshot, view->manifest().value_or(Manifest())), *sealed));
  HF_TRY(PutUntilDeadline(context, session, *sealed, once));
  HF_ASSIGN(ComposedSnapshot composed, ReadBack(context, session, snapshot->id));
  return composed;
}

Result<repository::Id> WriteSnapshot(const JobContext& context, RepositorySession& session,
                                     const Composition& composition, PutOnce* once) {
  const Manifest& manifest = composition.manifest;
  repository::ComposeOptions options;
  options.host = composition.slot.host;
  options.path = composition.slot.path();
  options.tags = {"run:" + context.run};
  if (!manifest.cluster.empty()) options.tags.push_back("cluster:" + manifest.cluster);
  options.tags.push_back("kind:" + composition.slot.kind);
  if (composition.is_partial) options.tags.emplace_back(repository::kPartialTag);
  if (!manifest.invalid.empty()) options.tags.emplace_back(repository::kInvalidTag);
  if (IsSafetyName(composition.slot.name)) {
    options.tags.emplace_back(repository::kSafetyTag);
  }
  if (!manifest.note.empty()) options.tags.push_back(repository::EncodeNoteTag(manifest.note));
  options.parent = composition.parent;
  options.user = context.user;
  options.lock = session.lock();
  options.begin = composition.time;
  options.leave_out = composition.leave_out;
  options.same_file = composition.same_file;
  if (once == nullptr) {
    return repository::Compose(session.repository(), composition.parts, manifest, options);
  }
  HF_ASSIGN(Bytes sealed,
            repository::ComposeSealed(session.repository(), composition.parts, manifest, options));
  HF_ASSIGN(SnapshotInfo snapshot,
            repository::OpenSealedSnapshot(session.repository().files(), sealed));
  CrashPoint("jobs.compose.before_record");
  HF_TRY(once->journal.Record(Describe(snapshot, manifest), sealed));
  CrashPoint("jobs.compose.after_record");
  HF_TRY(PutUntilDeadline(context, session, sealed, *once));
  return snapshot.id;
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
