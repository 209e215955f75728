// Which snapshots a retention policy keeps. Pure: a list, a policy and a time in, a verdict per
// snapshot out. The rules are those of `restic forget` since 0.16, so that a policy may move
// between the two (restic manual, "Removing backup snapshots").
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/repository/snapshot_reader.h"

namespace holdfast::repository {

// A length of time by the calendar: a month back from 31 March is 3 March, as 31 February is.
struct CalendarPeriod {
  int years = 0;
  int months = 0;
  int days = 0;
  int hours = 0;
  bool operator==(const CalendarPeriod&) const = default;
};
// "1y5m7d2h", each part optional, in any order. kInvalidArgument; also when it is nothing.
Result<CalendarPeriod> ParseCalendarPeriod(std::string_view text);
// As ParseCalendarPeriod reads it.
std::string FormatCalendarPeriod(const CalendarPeriod& period);

// `kKeepAll` for as many as there are.
inline constexpr int kKeepAll = -1;

// The newest of each hour, day, ...: so many of them, and all within a period before the newest
// snapshot. While some of a count are left the oldest snapshot of all is kept as well, so that the
// list reaches back as far as it can, and so it is when it lies in a period. Hours, days, ISO
// weeks, months and years are those of the clock that wrote the snapshot.
struct RetentionPolicy {
  int last = 0;
  int hourly = 0;
  int daily = 0;
  int weekly = 0;
  int monthly = 0;
  int yearly = 0;
  std::optional<CalendarPeriod> within = std::nullopt;  // all of them
  std::optional<CalendarPeriod> within_hourly = std::nullopt;
  std::optional<CalendarPeriod> within_daily = std::nullopt;
  std::optional<CalendarPeriod> within_weekly = std::nullopt;
  std::optional<CalendarPeriod> within_monthly = std::nullopt;
  std::optional<CalendarPeriod> within_yearly = std::nullopt;
  // A snapshot with all tags of one of the lists is kept; "" means: without any tag.
  std::vector<std::vector<std::string>> tags = {};

  bool empty() const;  // keeps everything
};

struct RetentionVerdict {
  const SnapshotInfo* snapshot = nullptr;
  bool keep = false;
  std::vector<std::string> reasons;  // why it is kept: "daily snapshot"
};

// The verdicts, newest first; of snapshots of the same time the order stays. Those later than `now`
// do not count as the newest that periods reach back from. The verdicts refer to `snapshots`.
std::vector<RetentionVerdict> ApplyRetention(std::span<const SnapshotInfo* const> snapshots,
                                             const RetentionPolicy& policy, UnixTime now);

// Whether there is one that is kept. A policy that says no of a whole group is a mistake.
bool KeepsSome(std::span<const RetentionVerdict> verdicts);

// What a policy is applied to at a time: snapshots that are alike in all that is asked for.
struct SnapshotGrouping {
  bool by_host = true;
  bool by_paths = true;
  bool by_tags = false;
};
// "host,paths", as restic's --group-by; "" for one group of all. kInvalidArgument.
Result<SnapshotGrouping> ParseGrouping(std::string_view text);

struct SnapshotGroup {
  std::string host;                // empty unless grouped by it
  std::vector<std::string> paths;  // likewise; ascending
  std::vector<std::string> tags;   // likewise; ascending
  std::vector<const SnapshotInfo*> snapshots;
};
// Ascending by host, paths and tags; inside a group as in `snapshots`.
std::vector<SnapshotGroup> GroupSnapshots(const std::vector<SnapshotInfo>& snapshots,
                                          const SnapshotGrouping& grouping);

// The floor below a policy: of each source's complete and valid snapshots, the `min_keep` newest
// are kept, whatever the verdicts say. Returns how many verdicts it changed.
unsigned KeepFloor(std::span<RetentionVerdict> verdicts, unsigned min_keep);

// How long safety snapshots stay.
inline constexpr std::chrono::days kSafetyRetention{30};
// The verdicts on the safety snapshots among `snapshots`, newest first: the newest of each source
// is kept, the others for kSafetyRetention. No policy and no floor applies to them. The verdicts
// refer to `snapshots`.
std::vector<RetentionVerdict> JudgeSafetySnapshots(const std::vector<SnapshotInfo>& snapshots,
                                                   UnixTime now);

}  // namespace holdfast::repository
