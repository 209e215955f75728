// Simple policies. tests/format/retention_test.cc compares thousands of lists with stock restic.
#include "common/repository/snapshot/retention.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::repository {
namespace {
using testing::Unwrap;
using Times = std::vector<std::string>;

struct Snapshots {
  // In any order; named by their times.
  explicit Snapshots(const Times& times) {
    for (const std::string& time : times) {
      SnapshotInfo info;
      info.time = Unwrap(ParseUnixTime(time, &info.utc_offset_s));
      info.user = time;
      info.kind = "files";
      info.name = "app";
      list.push_back(std::move(info));
    }
  }
  std::vector<RetentionVerdict> Apply(const RetentionPolicy& policy) const {
    std::vector<const SnapshotInfo*> pointers;
    for (const SnapshotInfo& one : list) pointers.push_back(&one);
    return ApplyRetention(pointers, policy, Unwrap(ParseUnixTime("2030-01-01T00:00:00Z")));
  }
  Times Kept(const RetentionPolicy& policy) const {
    Times kept;
    for (const RetentionVerdict& verdict : Apply(policy)) {
      if (verdict.keep) kept.push_back(verdict.snapshot->user);
    }
    return kept;
  }
  std::vector<SnapshotInfo> list;
};

TEST_CASE("retention: an empty policy keeps everything") {
  const Snapshots snapshots({"2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"});

  const auto verdicts = snapshots.Apply({});

  REQUIRE(verdicts.size() == 2);
  CHECK(verdicts[0].snapshot->user == "2026-01-02T00:00:00Z");  // newest first
  CHECK(verdicts[0].keep);
  CHECK(verdicts[1].keep);
}

TEST_CASE("retention: the newest of each day is kept, for the given number of days") {
  const Snapshots snapshots({"2026-01-01T08:00:00Z", "2026-01-01T20:00:00Z", "2026-01-02T08:00:00Z",
                             "2026-01-02T20:00:00Z"});

  CHECK(snapshots.Kept({.daily = 2}) == Times{"2026-01-02T20:00:00Z", "2026-01-01T20:00:00Z"});
  CHECK(snapshots.Kept({.daily = 1}) == Times{"2026-01-02T20:00:00Z"});
  CHECK(snapshots.Kept({.last = kKeepAll}).size() == 4);
}

TEST_CASE("retention: the oldest is kept while the count is not used up") {
  const Snapshots snapshots({"2026-01-01T08:00:00Z", "2026-01-01T20:00:00Z", "2026-01-02T08:00:00Z",
                             "2026-01-02T20:00:00Z"});
  const auto oldest = [&](const RetentionPolicy& policy) {
    const auto verdicts = snapshots.Apply(policy);
    CHECK(verdicts.back().keep == !verdicts.back().reasons.empty());
    return verdicts.back().reasons;
  };

  CHECK(oldest({.daily = 2}).empty());
  CHECK(oldest({.daily = 3}) == Times{"oldest daily snapshot"});
  CHECK(oldest({.daily = kKeepAll}) == Times{"oldest daily snapshot"});
  CHECK(oldest({.last = 4, .hourly = 4, .yearly = 2}) ==
        Times{"last snapshot", "hourly snapshot", "oldest yearly snapshot"});
  // A period has no remaining count: it keeps what is inside.
  CHECK(oldest({.within_daily = CalendarPeriod{.days = 2}}) == Times{"oldest daily within 2d"});
  CHECK(oldest({.within_daily = CalendarPeriod{.days = 1}}).empty());
}

TEST_CASE("retention: days are in the time zone of each snapshot") {
  const Snapshots snapshots({"2026-01-01T23:30:00-01:00",  // the 2nd in UTC
                             "2026-01-02T01:00:00+00:00",  // a moment later
                             "2026-01-01T10:00:00+00:00"});

  CHECK(snapshots.Kept({.daily = 1}) == Times{"2026-01-02T01:00:00+00:00"});
  CHECK(snapshots.Kept({.daily = 2}) ==
        Times{"2026-01-02T01:00:00+00:00", "2026-01-01T23:30:00-01:00"});
}

TEST_CASE("retention: weeks are ISO weeks, also around New Year") {
  // 2027-01-01 is a Friday in the last week of 2026.
  const Snapshots snapshots(
      {"2026-12-28T00:00:00Z", "2027-01-01T00:00:00Z", "2027-01-04T00:00:00Z"});

  CHECK(snapshots.Kept({.weekly = 2}) == Times{"2027-01-04T00:00:00Z", "2027-01-01T00:00:00Z"});
}

TEST_CASE("retention: periods go back from the newest snapshot, by the calendar") {
  const Snapshots snapshots({"2026-03-31T00:00:00Z", "2026-03-03T00:00:01Z", "2026-03-03T00:00:00Z",
                             "2031-01-01T00:00:00Z"});

  // 31 February is 3 March. The snapshot in the future is kept, but is not the reference.
  CHECK(snapshots.Kept({.within = CalendarPeriod{.months = 1}}) ==
        Times{"2031-01-01T00:00:00Z", "2026-03-31T00:00:00Z", "2026-03-03T00:00:01Z"});
}

TEST_CASE(
    "retention: a snapshot with all tags of a list is kept, and the empty tag means no tags") {
  Snapshots snapshots({"2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"});
  snapshots.list[0].tags = {"a", "b"};
  snapshots.list[1].tags = {"a"};

  CHECK(snapshots.Kept({.tags = {{"a", "b"}}}) == Times{"2026-01-03T00:00:00Z"});
  CHECK(snapshots.Kept({.tags = {{""}}}) == Times{"2026-01-01T00:00:00Z"});
  CHECK(snapshots.Kept({.tags = {{"b"}, {"a"}}}).size() == 2);
}

TEST_CASE("retention: the floor keeps the newest good snapshots of each source") {
  Snapshots snapshots({"2026-01-04T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z",
                       "2026-01-01T00:00:00Z"});
  snapshots.list[0].is_partial = true;
  auto verdicts = snapshots.Apply({.last = 1});
  REQUIRE(verdicts[0].keep);

  CHECK(ApplyFloor(verdicts, 2) == 2);

  CHECK(verdicts[0].keep);
  CHECK(verdicts[1].keep);
  CHECK(verdicts[2].keep);
  CHECK_FALSE(verdicts[3].keep);
  CHECK(ApplyFloor(verdicts, 2) == 0);
}

TEST_CASE("retention: invalid and safety snapshots do not count for the floor") {
  Snapshots snapshots({"2026-01-04T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z",
                       "2026-01-01T00:00:00Z"});
  snapshots.list[0].is_invalid = true;
  snapshots.list[1].is_safety = true;
  auto verdicts = snapshots.Apply({.tags = {{"none"}}});

  CHECK(ApplyFloor(verdicts, 1) == 1);

  CHECK_FALSE(verdicts[0].keep);
  CHECK_FALSE(verdicts[1].keep);
  CHECK(verdicts[2].keep);
}

TEST_CASE("retention: the newest safety snapshot of a source is kept, the others for 30 days") {
  Snapshots snapshots({"2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z",
                       "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"});
  for (std::size_t i : {0U, 1U, 2U, 3U}) {
    snapshots.list[i].name = i == 3 ? "other-before-restore" : "app-before-restore";
    snapshots.list[i].is_safety = true;
  }
  const auto judge = [&](const char* now) {
    Times kept;
    for (const RetentionVerdict& verdict :
         JudgeSafetySnapshots(snapshots.list, Unwrap(ParseUnixTime(now)))) {
      if (verdict.keep) kept.push_back(verdict.snapshot->user);
    }
    return kept;
  };

  CHECK(judge("2026-03-01T00:00:00Z") ==
        Times{"2026-02-28T00:00:00Z", "2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"});
  CHECK(judge("2027-01-01T00:00:00Z") == Times{"2026-02-28T00:00:00Z", "2026-01-01T00:00:00Z"});
}

TEST_CASE("retention: snapshots are grouped by the given fields, and order does not matter") {
  Snapshots snapshots({"2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"});
  snapshots.list[0].paths = {"/b", "/a"};
  snapshots.list[1].paths = {"/a", "/b"};
  snapshots.list[2].paths = {"/a"};

  CHECK(GroupSnapshots(snapshots.list, Unwrap(ParseGrouping("host,paths"))).size() == 2);
  CHECK(GroupSnapshots(snapshots.list, Unwrap(ParseGrouping("host"))).size() == 1);
  CHECK(GroupSnapshots(snapshots.list, Unwrap(ParseGrouping(""))).size() == 1);
  REQUIRE_FAILS(ParseGrouping("host,age"), ErrorCode::kInvalidArgument, "age");
}

TEST_CASE("retention: periods are parsed and formatted, and invalid ones refused") {
  CHECK(Unwrap(ParseCalendarPeriod("1y5m7d2h")) ==
        CalendarPeriod{.years = 1, .months = 5, .days = 7, .hours = 2});
  CHECK(FormatCalendarPeriod(Unwrap(ParseCalendarPeriod("2h7d"))) == "7d2h");
  for (const char* text : {"", "7", "d", "7w", "-1d", "1.5d", "99999999999d", "0d"}) {
    REQUIRE_FAILS(ParseCalendarPeriod(text), ErrorCode::kInvalidArgument, "not a period");
  }
}

}  // namespace
}  // namespace holdfast::repository
