#include "common/repository/snapshot/retention.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <set>
#include <tuple>
#include <utility>

#include "common/base/format.h"

namespace holdfast::repository {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;

struct CivilTime {
  std::int64_t year = 0;
  int month = 1;  // 1..12
  int day = 1;    // 1..31
  int hour = 0;
  std::int64_t days = 0;  // since 1970-01-01
};

std::int64_t FloorDivide(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

// In the local time of the host that wrote the snapshot.
CivilTime Civil(const SnapshotInfo& snapshot) {
  const std::int64_t seconds = snapshot.time.seconds + snapshot.utc_offset_s;
  CivilTime civil;
  civil.days = FloorDivide(seconds, kDaySeconds);
  civil.hour = static_cast<int>((seconds - civil.days * kDaySeconds) / 3'600);
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{civil.days}}};
  civil.year = static_cast<int>(date.year());
  civil.month = static_cast<int>(static_cast<unsigned>(date.month()));
  civil.day = static_cast<int>(static_cast<unsigned>(date.day()));
  return civil;
}

std::int64_t IsoWeek(const CivilTime& civil) {
  // An ISO week belongs to the year of its Thursday.
  const std::int64_t weekday = civil.days + 3 - FloorDivide(civil.days + 3, 7) * 7;  // Monday: 0
  const std::int64_t thursday = civil.days - weekday + 3;
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{thursday}}};
  const std::int64_t first =
      std::chrono::sys_days(date.year() / std::chrono::January / 1).time_since_epoch().count();
  return static_cast<int>(date.year()) * 100 + (thursday - first) / 7 + 1;
}

// A number that all snapshots of the same hour, day, ... share.
using Bucket = std::int64_t (*)(const CivilTime&, std::int64_t number);
std::int64_t Each(const CivilTime&, std::int64_t number) { return number; }
std::int64_t Hour(const CivilTime& civil, std::int64_t) { return civil.days * 24 + civil.hour; }
std::int64_t Day(const CivilTime& civil, std::int64_t) { return civil.days; }
std::int64_t Week(const CivilTime& civil, std::int64_t) { return IsoWeek(civil); }
std::int64_t Month(const CivilTime& civil, std::int64_t) { return civil.year * 12 + civil.month; }
std::int64_t Year(const CivilTime& civil, std::int64_t) { return civil.year; }

// `period` before the snapshot's local time. Days beyond a month's end run into the next month.
UnixTime Before(const SnapshotInfo& snapshot, const CalendarPeriod& period) {
  const CivilTime civil = Civil(snapshot);
  std::int64_t month = (civil.year - period.years) * 12 + (civil.month - 1) - period.months;
  const std::int64_t year = FloorDivide(month, 12);
  month -= year * 12;
  const std::chrono::year_month_day first(
      std::chrono::year(static_cast<int>(std::clamp<std::int64_t>(year, -32'000, 32'000))),
      std::chrono::month(static_cast<unsigned>(month) + 1), std::chrono::day(1));
  const std::int64_t days =
      std::chrono::sys_days(first).time_since_epoch().count() + civil.day - 1 - period.days;
  const std::int64_t in_day =
      snapshot.time.seconds + snapshot.utc_offset_s - civil.days * kDaySeconds;
  return {days * kDaySeconds + in_day - snapshot.utc_offset_s -
              static_cast<std::int64_t>(period.hours) * 3'600,
          snapshot.time.nanoseconds};
}

bool HasTags(const SnapshotInfo& snapshot, const std::vector<std::string>& tags) {
  for (const std::string& tag : tags) {
    if (tag.empty() && snapshot.tags.empty()) return true;
    if (std::ranges::find(snapshot.tags, tag) == snapshot.tags.end()) return false;
  }
  return true;
}

// Selects the newest snapshot of each bucket, and the oldest snapshot of all.
class Buckets {
 public:
  // Called for each snapshot from newest to oldest. Why it is kept; nullopt if it is not.
  std::optional<std::string> Judge(std::int64_t bucket, bool is_oldest, std::string_view reason) {
    const bool is_new = bucket != last_;
    if (!is_new && !is_oldest) return std::nullopt;
    last_ = bucket;
    return fmt::format("{}{}", is_new ? "" : "oldest ", reason);
  }

 private:
  std::optional<std::int64_t> last_;
};

struct Counted {
  int left;  // kKeepAll: no limit
  Bucket bucket;
  std::string_view reason;
  Buckets buckets = {};
};

struct Within {
  const std::optional<CalendarPeriod>& period;
  Bucket bucket;
  std::string_view reason;
  Buckets buckets = {};
};

}  // namespace

Result<CalendarPeriod> ParseCalendarPeriod(std::string_view text) {
  const auto invalid = [whole = std::string(text)] {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is not a period", Quote(whole)),
                R"(write years, months, days and hours: "1y5m7d2h")");
  };
  CalendarPeriod period;
  std::string_view rest = text;
  while (!rest.empty()) {
    int number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    // The limit exceeds the age of any snapshot, and sums do not overflow.
    if (error != std::errc() || number < 0 || number > 100'000'000) return invalid();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (rest.empty()) return invalid();
    switch (rest.front()) {
      case 'y':
        period.years = number;
        break;
      case 'm':
        period.months = number;
        break;
      case 'd':
        period.days = number;
        break;
      case 'h':
        period.hours = number;
        break;
      default:
        return invalid();
    }
    rest.remove_prefix(1);
  }
  if (period == CalendarPeriod{}) return invalid();
  return period;
}

std::string FormatCalendarPeriod(const CalendarPeriod& period) {
  std::string text;
  for (const auto& [number, unit] : {std::pair(period.years, 'y'), std::pair(period.months, 'm'),
                                     std::pair(period.days, 'd'), std::pair(period.hours, 'h')}) {
    if (number != 0) text += fmt::format("{}{}", number, unit);
  }
  return text;
}

bool RetentionPolicy::empty() const {
  for (int count : {last, hourly, daily, weekly, monthly, yearly}) {
    if (count != 0) return false;
  }
  return !within && !within_hourly && !within_daily && !within_weekly && !within_monthly &&
         !within_yearly && tags.empty();
}

std::vector<RetentionVerdict> ApplyRetention(std::span<const SnapshotInfo* const> snapshots,
                                             const RetentionPolicy& policy, UnixTime now) {
  std::vector<RetentionVerdict> verdicts;
  verdicts.reserve(snapshots.size());
  for (const SnapshotInfo* snapshot : snapshots) verdicts.push_back({snapshot, false, {}});
  std::ranges::stable_sort(verdicts, [](const RetentionVerdict& one, const RetentionVerdict& two) {
    return one.snapshot->time > two.snapshot->time;
  });
  if (policy.empty()) {
    for (RetentionVerdict& verdict : verdicts) {
      verdict.keep = true;
      verdict.reasons.emplace_back("policy is empty");
    }
    return verdicts;
  }

  const SnapshotInfo* latest = nullptr;
  for (const RetentionVerdict& verdict : verdicts) {
    if (latest == nullptr && verdict.snapshot->time < now) latest = verdict.snapshot;
  }
  std::array counted = {Counted{policy.last, Each, "last snapshot"},
                        Counted{policy.hourly, Hour, "hourly snapshot"},
                        Counted{policy.daily, Day, "daily snapshot"},
                        Counted{policy.weekly, Week, "weekly snapshot"},
                        Counted{policy.monthly, Month, "monthly snapshot"},
                        Counted{policy.yearly, Year, "yearly snapshot"}};
  std::array within = {Within{policy.within_hourly, Hour, "hourly within"},
                       Within{policy.within_daily, Day, "daily within"},
                       Within{policy.within_weekly, Week, "weekly within"},
                       Within{policy.within_monthly, Month, "monthly within"},
                       Within{policy.within_yearly, Year, "yearly within"}};
  // If all snapshots are in the future, no period has a start, so all of them are within it.
  const auto is_within = [&](const SnapshotInfo& snapshot, const CalendarPeriod& period) {
    return latest == nullptr || snapshot.time > Before(*latest, period);
  };

  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    RetentionVerdict& verdict = verdicts[i];
    const SnapshotInfo& snapshot = *verdict.snapshot;
    const CivilTime civil = Civil(snapshot);
    const auto number = static_cast<std::int64_t>(i);
    const bool is_oldest = i + 1 == verdicts.size();
    for (const std::vector<std::string>& tags : policy.tags) {
      if (HasTags(snapshot, tags))
        verdict.reasons.push_back(fmt::format("has tags [{}]", fmt::join(tags, ", ")));
    }
    if (policy.within && is_within(snapshot, *policy.within))
      verdict.reasons.push_back("within " + FormatCalendarPeriod(*policy.within));
    for (Counted& one : counted) {
      if (one.left == 0) continue;
      auto reason = one.buckets.Judge(one.bucket(civil, number), is_oldest, one.reason);
      if (!reason) continue;
      if (one.left > 0) --one.left;
      verdict.reasons.push_back(*std::move(reason));
    }
    for (Within& one : within) {
      if (!one.period || !is_within(snapshot, *one.period)) continue;
      if (auto reason = one.buckets.Judge(one.bucket(civil, number), is_oldest, one.reason))
        verdict.reasons.push_back(*reason + " " + FormatCalendarPeriod(*one.period));
    }
    verdict.keep = !verdict.reasons.empty();
  }
  return verdicts;
}

bool KeepsAny(std::span<const RetentionVerdict> verdicts) {
  return std::ranges::any_of(verdicts, &RetentionVerdict::keep);
}

Result<SnapshotGrouping> ParseGrouping(std::string_view text) {
  SnapshotGrouping grouping{.by_host = false, .by_paths = false, .by_tags = false};
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view word = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (word == "host" || word == "hosts") {
      grouping.by_host = true;
    } else if (word == "path" || word == "paths") {
      grouping.by_paths = true;
    } else if (word == "tag" || word == "tags") {
      grouping.by_tags = true;
    } else if (!word.empty()) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("cannot group by {}", Quote(word)),
                  "group by host, paths and tags, with commas between");
    }
  }
  return grouping;
}

std::vector<SnapshotGroup> GroupSnapshots(const std::vector<SnapshotInfo>& snapshots,
                                          const SnapshotGrouping& grouping) {
  using Key = std::tuple<std::string, std::vector<std::string>, std::vector<std::string>>;
  std::map<Key, std::vector<const SnapshotInfo*>> groups;
  for (const SnapshotInfo& snapshot : snapshots) {
    Key key;
    if (grouping.by_host) std::get<0>(key) = snapshot.host;
    if (grouping.by_paths) std::get<1>(key) = snapshot.paths;
    if (grouping.by_tags) std::get<2>(key) = snapshot.tags;
    std::ranges::sort(std::get<1>(key));
    std::ranges::sort(std::get<2>(key));
    groups[std::move(key)].push_back(&snapshot);
  }
  std::vector<SnapshotGroup> sorted;
  for (auto& [key, members] : groups)
    sorted.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), std::move(members)});
  return sorted;
}

unsigned ApplyFloor(std::span<RetentionVerdict> verdicts, unsigned min_keep) {
  std::vector<RetentionVerdict*> good;
  for (RetentionVerdict& verdict : verdicts) {
    if (verdict.snapshot->is_good() && !verdict.snapshot->is_safety) good.push_back(&verdict);
  }
  std::ranges::stable_sort(good, [](const RetentionVerdict* one, const RetentionVerdict* two) {
    return one->snapshot->time > two->snapshot->time;
  });
  // By source, independent of the policy's groups; foreign snapshots by their paths, too.
  using Source = std::tuple<std::string, std::string, std::string, std::vector<std::string>>;
  std::map<Source, unsigned> kept;
  unsigned changed = 0;
  for (RetentionVerdict* verdict : good) {
    const SnapshotInfo& snapshot = *verdict->snapshot;
    Source source{snapshot.kind, snapshot.name, snapshot.host, {}};
    if (snapshot.kind.empty()) std::get<3>(source) = snapshot.paths;
    if (++kept[std::move(source)] > min_keep || verdict->keep) continue;
    verdict->keep = true;
    verdict->reasons.push_back(fmt::format("one of the newest {}", min_keep));
    ++changed;
  }
  return changed;
}

std::vector<RetentionVerdict> JudgeSafetySnapshots(const std::vector<SnapshotInfo>& snapshots,
                                                   UnixTime now) {
  std::vector<RetentionVerdict> verdicts;
  for (const SnapshotInfo& snapshot : snapshots) {
    if (snapshot.is_safety) verdicts.push_back({&snapshot, false, {}});
  }
  std::ranges::stable_sort(verdicts, [](const RetentionVerdict& one, const RetentionVerdict& two) {
    return one.snapshot->time > two.snapshot->time;
  });
  const std::int64_t oldest_kept = now.seconds - std::chrono::seconds(kSafetyRetention).count();
  std::set<std::tuple<std::string, std::string, std::string>> sources;
  for (RetentionVerdict& verdict : verdicts) {
    const SnapshotInfo& snapshot = *verdict.snapshot;
    if (sources.emplace(snapshot.kind, snapshot.source_name(), snapshot.host).second) {
      verdict.reasons.emplace_back("newest safety snapshot");
    } else if (snapshot.time.seconds >= oldest_kept) {
      verdict.reasons.push_back(
          fmt::format("safety snapshot of the last {} days", kSafetyRetention.count()));
    }
    verdict.keep = !verdict.reasons.empty();
  }
  return verdicts;
}

}  // namespace holdfast::repository
