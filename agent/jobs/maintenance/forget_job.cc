#include "agent/jobs/maintenance/forget_job.h"

#include <algorithm>
#include <set>
#include <utility>

#include "agent/jobs/session/snapshot_finder.h"
#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::jobs {
namespace {

using repository::RetentionVerdict;
using repository::SnapshotInfo;

std::string OriginOf(const SnapshotInfo& snapshot) {
  return snapshot.kind.empty() ? snapshot.host : snapshot.kind + "/" + snapshot.name;
}

bool IsChosen(const SnapshotInfo& snapshot, std::string_view selector) {
  return selector.empty() || MatchesSource(selector, snapshot, snapshot.name);
}

// Adds the damaged snapshots whose id starts with one of `selectors`. They have no metadata and
// count as partial, so the floor never keeps them. One that only cannot be read now may belong to
// the floor, so it is an error.
Result<void> AddNamedDamage(const std::vector<std::string>& selectors,
                            const std::vector<repository::UnreadableSnapshot>& unreadable,
                            ForgetReport& report) {
  constexpr std::size_t kDigitsMin = 8;
  for (const repository::UnreadableSnapshot& each : unreadable) {
    const bool is_named = std::ranges::any_of(selectors, [&](const std::string& selector) {
      return selector.size() >= kDigitsMin && each.id.Hex().starts_with(selector);
    });
    if (!is_named) continue;
    if (!repository::IsDamage(each.error)) return Fail(each.error);
    SnapshotInfo snapshot;
    snapshot.id = each.id;
    snapshot.is_partial = true;
    report.snapshots.insert(report.snapshots.begin(), std::move(snapshot));
  }
  return {};
}

// Judges only the named snapshots.
Result<void> JudgeNamed(const JobContext& context, const ForgetOptions& options, unsigned min_keep,
                        ForgetReport& report) {
  std::set<repository::Id> named;
  for (const std::string& selector : options.snapshots) {
    HF_ASSIGN(const SnapshotInfo snapshot,
              ChooseSnapshot(context, report.repository, report.snapshots, selector));
    named.insert(snapshot.id);
  }
  std::vector<RetentionVerdict> verdicts;
  for (const SnapshotInfo& snapshot : report.snapshots)
    verdicts.push_back({&snapshot, !named.contains(snapshot.id), {}});
  if (repository::ApplyFloor(verdicts, min_keep) > 0) {
    for (const RetentionVerdict& verdict : verdicts) {
      if (!verdict.keep || !named.contains(verdict.snapshot->id)) continue;
      return Fail(ErrorCode::kDenied,
                  fmt::format("snapshot {} is one of the newest {} good snapshots of {}",
                              verdict.snapshot->id.Hex().substr(0, 8), min_keep,
                              Quote(OriginOf(*verdict.snapshot))),
                  "--allow-below-floor forgets it anyway; --min-keep, or min_keep of the "
                  "repository in agent.yaml, sets how many stay");
    }
  }
  std::erase_if(verdicts, [&](const RetentionVerdict& verdict) {
    return !named.contains(verdict.snapshot->id);
  });
  std::ranges::reverse(verdicts);  // the list is by ascending time
  report.groups.push_back({.host = {}, .paths = {}, .tags = {}, .verdicts = std::move(verdicts)});
  return {};
}

// A policy must keep something of every group.
Result<void> RequireKept(const ForgetReport& report) {
  for (const ForgetReport::Group& group : report.groups) {
    if (repository::KeepsAny(group.verdicts)) continue;
    const SnapshotInfo& newest = *group.verdicts.front().snapshot;
    return Fail(ErrorCode::kDenied,
                fmt::format("the policy would leave nothing of a group of {}, {} of {} the newest",
                            FormatCount(group.verdicts.size(), "snapshot"),
                            newest.id.Hex().substr(0, 8), Quote(OriginOf(newest))),
                "add a --keep option that keeps one of them, or forget them by their ids");
  }
  return {};
}

Result<void> JudgeByPolicy(const JobContext& context, const ForgetOptions& options,
                           unsigned min_keep, ForgetReport& report) {
  if (!options.selector.empty()) {
    HF_TRY(CheckSelector(options.selector, KnownSources(context, report.snapshots)));
  }
  std::erase_if(report.snapshots, [&](const SnapshotInfo& snapshot) {
    return !snapshot.is_safety && !IsChosen(snapshot, options.selector);
  });
  const UnixTime now = ToUnixTime(context.clock->Now());
  std::vector<RetentionVerdict> all;
  std::vector<std::size_t> sizes;
  for (repository::SnapshotGroup& group :
       repository::GroupSnapshots(report.snapshots, options.grouping)) {
    std::erase_if(group.snapshots,
                  [](const SnapshotInfo* snapshot) { return snapshot->is_safety; });
    if (group.snapshots.empty()) continue;
    std::vector<RetentionVerdict> verdicts =
        repository::ApplyRetention(group.snapshots, options.policy, now);
    sizes.push_back(verdicts.size());
    std::ranges::move(verdicts, std::back_inserter(all));
    report.groups.push_back(
        {std::move(group.host), std::move(group.paths), std::move(group.tags), {}});
  }
  // A source may be in several groups.
  report.kept_by_floor = repository::ApplyFloor(all, min_keep);
  auto next = std::make_move_iterator(all.begin());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto end = next + static_cast<std::ptrdiff_t>(sizes[i]);
    report.groups[i].verdicts.assign(next, end);
    next = end;
  }
  return RequireKept(report);
}

// Removes safety snapshots that are named from `safety`: they have a verdict already.
void LeaveToNamed(ForgetReport& report) {
  std::erase_if(report.safety, [&](const RetentionVerdict& verdict) {
    return std::ranges::count(report.groups.front().verdicts, verdict.snapshot,
                              &RetentionVerdict::snapshot) > 0;
  });
}

// One by one, oldest first, so an interruption leaves the newest.
Result<void> Remove(const JobContext& context, RepositorySession& session,
                    const std::vector<RetentionVerdict>& verdicts, unsigned& forgotten) {
  for (auto verdict = verdicts.rbegin(); verdict != verdicts.rend(); ++verdict) {
    if (verdict->keep) continue;
    HF_TRY(CheckStop(context.stop));
    const std::string id = verdict->snapshot->id.Hex();
    Result<void> removed = session.repository().storage().RemoveIfPermitted(
        {FileKind::kSnapshot, id}, repository::WhileHeld(session.lock()));
    if (!removed && removed.error().code() != ErrorCode::kNotFound) {
      return Fail(std::move(removed).error().While("forget snapshot " + id.substr(0, 8)));
    }
    ++forgotten;
    CrashPoint("jobs.forget.after_remove");
  }
  return {};
}

Result<void> RemoveAll(const JobContext& context, RepositorySession& session,
                       ForgetReport& report) {
  for (const ForgetReport::Group& group : report.groups) {
    HF_TRY(Remove(context, session, group.verdicts, report.forgotten));
  }
  return Remove(context, session, report.safety, report.forgotten);
}

unsigned CountForgotten(const std::vector<RetentionVerdict>& verdicts) {
  return static_cast<unsigned>(std::ranges::count(verdicts, false, &RetentionVerdict::keep));
}

}  // namespace

Result<unsigned> ForgetOldSafetySnapshots(const JobContext& context, RepositorySession& session,
                                          bool dry_run) {
  HF_ASSIGN(const repository::SnapshotListing listing,
            repository::ListReadableSnapshots(session.repository()));
  const std::vector<RetentionVerdict> verdicts =
      repository::JudgeSafetySnapshots(listing.snapshots, ToUnixTime(context.clock->Now()));
  if (dry_run) return CountForgotten(verdicts);
  unsigned forgotten = 0;
  HF_TRY(Remove(context, session, verdicts, forgotten));
  return forgotten;
}

Result<ForgetReport> RunForget(const JobContext& context, const RepositoryAddress& address,
                               const ForgetOptions& options) {
  HF_ASSIGN(auto session,
            RepositorySession::Open(context, address,
                                    options.dry_run ? LockUse::kNone : LockUse::kExclusive));
  const std::string what = fmt::format("forget in repository {}", Quote(address.label()));
  ForgetReport report;
  report.repository = address.label();
  report.dry_run = options.dry_run;
  using repository::Vanished;
  auto listing = repository::ListReadableSnapshots(
      session->repository(), options.dry_run ? Vanished::kForgotten : Vanished::kError);
  if (!listing) return Fail(std::move(listing).error().While(what));
  report.snapshots = std::move(listing->snapshots);
  // A policy that does not see all snapshots could keep the wrong ones.
  if (options.snapshots.empty() && !listing->unreadable.empty()) {
    return Fail(std::move(listing->unreadable.front().error).While(what));
  }
  Result<void> added = AddNamedDamage(options.snapshots, listing->unreadable, report);
  if (!added) return Fail(std::move(added).error().While(what));
  const unsigned min_keep =
      options.allow_below_floor ? 0 : options.min_keep.value_or(address.min_keep);
  Result<void> judged = options.snapshots.empty()
                            ? JudgeByPolicy(context, options, min_keep, report)
                            : JudgeNamed(context, options, min_keep, report);
  if (!judged) return Fail(std::move(judged).error().While(what));
  report.safety =
      repository::JudgeSafetySnapshots(report.snapshots, ToUnixTime(context.clock->Now()));
  if (!options.snapshots.empty()) LeaveToNamed(report);
  if (options.dry_run) {
    for (const ForgetReport::Group& group : report.groups) {
      report.forgotten += CountForgotten(group.verdicts);
    }
    report.forgotten += CountForgotten(report.safety);
    return report;
  }
  Result<void> removed = RemoveAll(context, *session, report);
  if (!removed) report.error = std::move(removed).error().While(what);
  return report;
}

}  // namespace holdfast::jobs
