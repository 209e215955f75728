#include "agent/jobs/report_messages.h"

#include <string>

#include "common/base/format.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::jobs {
namespace {

using testing::Unwrap;

const std::string kLong(100'000, 'x');
constexpr std::size_t kReportBytesMax = 1U << 20;

// The message after encoding and decoding.
template <typename Message>
Message Back(const Message& message) {
  std::string bytes = message.SerializeAsString();
  REQUIRE(bytes.size() <= kOutcomeBytesMax);
  Message back;
  REQUIRE(back.ParseFromString(bytes));
  return back;
}

Manifest HugeManifest() {
  Manifest manifest;
  manifest.endpoint = kLong;
  manifest.parts = {{.node = "n1", .seconds = {{"save", 1.5}}}};
  for (int i = 0; i < 1000; ++i) {
    manifest.missing.push_back({fmt::format("{} \xff caf\xe9 {}", i, kLong), kLong, kLong});
    manifest.position[fmt::format("{}{}", i, kLong)] = kLong;
  }
  return manifest;
}

TEST_CASE("report messages: a part's texts and lists are shortened to fit") {
  SavedPart part;
  part.node = "n1";
  part.tree = repository::Id{{1, 2}};
  part.scope = BackupScope::kLead;
  part.manifest = HugeManifest();
  part.bytes_added = 7;
  part.bytes_stored = 8;
  part.warnings = std::vector<std::string>(500, kLong);
  v1::Part message;
  FillMessage(part, message);

  v1::Part back = Back(message);
  REQUIRE(back.missing_count() == 1000);
  REQUIRE(back.missing_size() == 20);
  REQUIRE(back.missing(0).what().starts_with("0 \xef\xbf\xbd caf\xef\xbf\xbd xxx"));
  REQUIRE(back.missing(0).what().ends_with("x..."));
  REQUIRE(back.missing(0).what().size() <= 1000);
  REQUIRE(back.warning_count() == 500);
  REQUIRE(back.warnings_size() == 20);
  REQUIRE(back.seconds().at("save") == 1.5);
  REQUIRE(back.node() == "n1");
  REQUIRE(ToBytes(back.tree_id()) == ToBytes(AsText(part.tree.bytes)));
  REQUIRE(back.data());
  REQUIRE(back.bytes_added() == 7);
  REQUIRE(back.bytes_stored() == 8);

  // Composed in the same task, it includes the part.
  v1::Composed composed;
  ComposedSnapshot snapshot;
  snapshot.manifest = HugeManifest();
  FillMessage(snapshot, composed);
  *composed.mutable_part() = message;
  REQUIRE(Back(composed).missing_count() == 1000);
}

TEST_CASE("report messages: only overlong texts are cut, and between characters") {
  const std::string euro = "\xe2\x82\xac";
  std::string many;
  for (int i = 0; i < 400; ++i) many += euro;
  v1::Failure message;
  FillMessage(Error(ErrorCode::kUnavailable, many).WithHint(euro), true, false, message);
  v1::Failure back = Back(message);
  REQUIRE(back.message().size() <= 1000);
  REQUIRE(back.message().ends_with(euro + "..."));
  REQUIRE(back.hint() == euro);
  REQUIRE(back.code() == "unavailable");
  REQUIRE(back.retryable());
  REQUIRE(back.began());
  for (const char* bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}) {
    v1::Failure cleaned;
    FillMessage(Error(ErrorCode::kInternal, bad), false, false, cleaned);
    REQUIRE(Back(cleaned).message().starts_with("\xef\xbf\xbd"));
  }
}

TEST_CASE("report messages: a very large number of sources still fits") {
  for (std::size_t count :
       {std::size_t{1}, std::size_t{50}, std::size_t{3000}, std::size_t{9000}}) {
    const std::string text(1100, 'x');
    const std::size_t entries = count > 100 ? 2 : 100;
    ProbeReport report;
    report.kind = "etcd";
    report.name = "main";
    report.info.healthy = true;
    report.info.health = text;
    report.info.would_save = std::vector<std::string>(entries, text);
    report.info.warnings = std::vector<std::string>(entries, text);
    for (std::size_t i = 0; i < entries; ++i) {
      report.info.members.push_back({{"name", text}, {"id", text}});
      report.info.identity[std::to_string(i)] = text;
    }
    if (count == 50) report.error = Error(ErrorCode::kUnavailable, text).WithHint(text);
    v1::ProbeResult message;
    FillMessage(std::vector<ProbeReport>(count, report), message);

    v1::ProbeResult back = Back(message);
    INFO(count);
    REQUIRE(back.sources(0).source() == "etcd/main");
    if (count <= 3000) REQUIRE(back.sources_size() == static_cast<int>(count));
    if (count == 1) REQUIRE(back.sources(0).would_save_size() == 20);
    const auto& last = back.sources(back.sources_size() - 1);
    if (count == 9000) {
      REQUIRE_THAT(last.warnings(last.warnings_size() - 1), Catch::Contains("more sources"));
    }
  }
}

TEST_CASE("report messages: a page of the inventory ends at the size limit") {
  InventoryPage page;
  page.repository_id = std::string(64, 'a');
  for (std::uint8_t i = 0; i < 250; ++i) {
    for (std::uint8_t j = 0; j < 4; ++j) {
      InventoriedSnapshot& snapshot = page.snapshots.emplace_back();
      snapshot.id = repository::Id{{i, j}};
      snapshot.source = "etcd/main";
      snapshot.note = kLong;
    }
  }
  page.snapshots[1].error = Error(ErrorCode::kCorrupt, "it is damaged");
  v1::InventoryResult message;
  FillMessage(page, message);

  v1::InventoryResult back = Back(message);
  REQUIRE(back.more());
  REQUIRE(back.snapshots_size() > 500);
  REQUIRE(back.snapshots(1).note() == "cannot be read: it is damaged");
  page.snapshots.resize(3);
  message.Clear();
  FillMessage(page, message);
  REQUIRE(Back(message).snapshots_size() == 3);
  REQUIRE_FALSE(message.more());
}

TEST_CASE(
    "report messages: the details of a kind's own restore fit, and other restores have none") {
  RestoreReport restore;
  restore.lines = std::vector<std::string>(500, kLong);
  restore.warnings = restore.changes = restore.lines;
  PlannedChange change;
  change.what = change.name = change.target = change.there = change.action = kLong;
  restore.plan = std::vector<PlannedChange>(5000, change);
  restore.plan_count = 5000;
  restore.dry_run = restore.resumed = true;
  restore.error = Error(ErrorCode::kBusy, "one is busy");
  v1::Restored message;
  FillMessage(restore, message, true);

  const v1::Restored back = Back(message);
  CHECK(back.lines_size() == 100);
  CHECK(back.plan_size() == 100);
  CHECK(back.plan_count() == 5000);
  CHECK(back.dry_run());
  CHECK(back.resumed());
  CHECK(back.partly().code() == "busy");
  CHECK(message.ByteSizeLong() < kOutcomeBytesMax);

  message.Clear();
  FillMessage(restore, message);
  CHECK(message.lines().empty());
  CHECK(message.plan().empty());
  CHECK(message.plan_count() == 0);
  CHECK_FALSE(message.dry_run());
  CHECK_FALSE(message.resumed());
  CHECK_FALSE(message.has_partly());
}

TEST_CASE("report messages: restored and damaged items") {
  RestoreReport restore;
  restore.directory = "/srv/staging/x";
  restore.items = 5;
  restore.changes = std::vector<std::string>(100, kLong);
  restore.safety_snapshot.emplace();
  restore.safety_snapshot->snapshot = repository::Id{{5}}.Hex();
  v1::Restored restored;
  FillMessage(restore, restored);
  REQUIRE(Back(restored).changes_size() == 20);
  REQUIRE(restored.safety_snapshot().size() == 32);

  CheckTaskReport check;
  check.check.errors = std::vector<std::string>(100, kLong);
  check.check.findings = 5000;
  v1::VerifyResult verify;
  FillMessage(check, verify);
  REQUIRE_FALSE(Back(verify).sound());
  REQUIRE(verify.error_count() == 5000);
  REQUIRE(verify.errors_size() == 20);
  REQUIRE(verify.ByteSizeLong() < kReportBytesMax);
}

}  // namespace
}  // namespace holdfast::jobs
