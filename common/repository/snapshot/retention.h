// Decides which snapshots a retention policy keeps. Pure functions: from a list, a policy and a
// time they compute a verdict for each snapshot. The rules are those of `restic forget` since 0.16,
// so that policies can move between the two (restic manual, "Removing backup snapshots").
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::repository {

// A calendar period. A month before 31 March is 31 February, which becomes 3 March.
struct CalendarPeriod {
  int years = 0;
  int months = 0;
  int days = 0;
  int hours = 0;
  bool operator==(const CalendarPeriod&) const = default;
};
// "1y5m7d2h", each part optional, in any order. kInvalidArgument, also for an empty period.
Result<CalendarPeriod> ParseCalendarPeriod(std::string_view text);
// In the form that ParseCalendarPeriod() reads.
std::string FormatCalendarPeriod(const CalendarPeriod& period);

// A count without a limit.
inline constexpr int kKeepAll = -1;

// Keeps the newest snapshot of each hour, day, ...: as many as a count says, and all within a
// period before the newest snapshot. The oldest snapshot of all is kept as well while a count is
// not used up, and if it is within a period, so that the list reaches back as far as possible.
// Hours, days, ISO weeks, months and years are in the local time of the host that wrote the
// snapshot.
struct RetentionPolicy {
  int last = 0;
  int hourly = 0;
  int daily = 0;
  int weekly = 0;
  int monthly = 0;
  int yearly = 0;
  std::optional<CalendarPeriod> within = std::nullopt;  // all snapshots
  std::optional<CalendarPeriod> within_hourly = std::nullopt;
  std::optional<CalendarPeriod> within_daily = std::nullopt;
  std::optional<CalendarPeriod> within_weekly = std::nullopt;
  std::optional<CalendarPeriod> within_monthly = std::nullopt;
  std::optional<CalendarPeriod> within_yearly = std::nullopt;
  // A snapshot with all tags of one of the lists is kept; "" matches snapshots without tags.
  std::vector<std::vector<std::string>> tags;

  bool empty() const;  // an empty policy keeps everything
};

struct RetentionVerdict {
  const SnapshotInfo* snapshot = nullptr;
  bool keep = false;
  std::vector<std::string> reasons;  // why it is kept: "daily snapshot"
};

// Returns the verdicts, newest first; snapshots of the same time keep their order. Periods reach
// back from the newest snapshot that is earlier than `now`. The verdicts refer to `snapshots`.
std::vector<RetentionVerdict> ApplyRetention(std::span<const SnapshotInfo* const> snapshots,
                                             const RetentionPolicy& policy, UnixTime now);

// Whether any snapshot is kept. A policy that keeps nothing of a whole group is a mistake.
bool KeepsAny(std::span<const RetentionVerdict> verdicts);

// How snapshots are grouped. A policy is applied to each group separately.
struct SnapshotGrouping {
  bool by_host = true;
  bool by_paths = true;
  bool by_tags = false;
};
// Parses "host,paths" like restic's --group-by; "" is one group of all. kInvalidArgument.
Result<SnapshotGrouping> ParseGrouping(std::string_view text);

struct SnapshotGroup {
  std::string host;                // empty unless grouped by it
  std::vector<std::string> paths;  // likewise; ascending
  std::vector<std::string> tags;   // likewise; ascending
  std::vector<const SnapshotInfo*> snapshots;
};
// Ascending by host, paths and tags; inside a group in the order of `snapshots`.
std::vector<SnapshotGroup> GroupSnapshots(const std::vector<SnapshotInfo>& snapshots,
                                          const SnapshotGrouping& grouping);

// Applies the floor: of each source's complete and valid snapshots, the `min_keep` newest are kept,
// whatever the policy says. Returns how many verdicts it changed.
unsigned ApplyFloor(std::span<RetentionVerdict> verdicts, unsigned min_keep);

// How long safety snapshots are kept.
inline constexpr std::chrono::days kSafetyRetention{30};
// The verdicts on the safety snapshots among `snapshots`, newest first. The newest of each source
// is kept, the others for kSafetyRetention; policies and the floor do not apply to them. The
// verdicts refer to `snapshots`.
std::vector<RetentionVerdict> JudgeSafetySnapshots(const std::vector<SnapshotInfo>& snapshots,
                                                   UnixTime now);

}  // namespace holdfast::repository
