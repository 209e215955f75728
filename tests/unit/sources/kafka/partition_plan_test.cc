#include "agent/sources/kafka/partition_plan.h"

#include <string>

#include "tests/support/catch.h"

namespace holdfast::kafka {
namespace {

SegmentFacts FileOf(std::int64_t first, std::int64_t last) {
  SegmentFacts file;
  file.bytes = 100;
  file.run.first_offset = first;
  file.run.last_offset = last;
  file.run.records = static_cast<std::uint64_t>(last - first + 1);
  return file;
}

// Offsets 0 to 299 in three files, with two leader epochs.
PartitionDocument Saved() {
  PartitionDocument document;
  document.topic_id = "id";
  document.last_stable = document.high = document.end = 300;
  document.epochs = {{0, 0}, {2, 150}};
  document.files = {FileOf(0, 99), FileOf(100, 199), FileOf(200, 299)};
  document.last_record = FileOf(299, 299).run;
  return document;
}

PartitionFacts Now() {
  return {.topic_id = "id",
          .leader = 1,
          .low = 0,
          .last_stable = 300,
          .high = 300,
          .epochs = {{0, 0}, {2, 150}},
          .compacted = false};
}

PartitionPlan Plan(const PartitionFacts& now, const PartitionDocument& saved = Saved()) {
  return PlanPartition(&saved, now);
}

TEST_CASE("partition plan: without a previous snapshot everything is read") {
  PartitionFacts now = Now();
  now.low = 20;
  const PartitionPlan plan = PlanPartition(nullptr, now);
  REQUIRE(plan.reread_reason.empty());
  REQUIRE_FALSE(plan.has_kept);
  REQUIRE(plan.read_from == 20);
  REQUIRE(plan.grows);
  now.low = 300;
  REQUIRE_FALSE(PlanPartition(nullptr, now).grows);
}

TEST_CASE("partition plan: an unchanged partition is neither read nor compared") {
  const PartitionPlan plan = Plan(Now());
  REQUIRE(plan.has_kept);
  REQUIRE(plan.keep == 0);
  REQUIRE_FALSE(plan.trims);
  REQUIRE_FALSE(plan.grows);
  REQUIRE_FALSE(plan.must_compare);
  REQUIRE_FALSE(plan.lost);
}

TEST_CASE("partition plan: new records are read from the end of the last snapshot") {
  PartitionFacts now = Now();
  now.last_stable = 320;
  now.high = 330;
  now.epochs.push_back({5, 300});
  const PartitionPlan plan = Plan(now);
  REQUIRE(plan.grows);
  REQUIRE(plan.read_from == 300);
  REQUIRE_FALSE(plan.must_compare);
}

TEST_CASE("partition plan: if the topic id or epochs are unknown, the last record is compared") {
  PartitionFacts now = Now();
  now.epochs.clear();
  REQUIRE(Plan(now).must_compare);
  now = Now();
  now.topic_id.clear();
  REQUIRE(Plan(now).must_compare);
  PartitionDocument saved = Saved();
  saved.epochs.clear();
  REQUIRE(Plan(Now(), saved).must_compare);
}

TEST_CASE("partition plan: retention drops files, and trims the file that it reached") {
  PartitionFacts now = Now();
  now.low = 100;
  REQUIRE(Plan(now).keep == 1);
  REQUIRE_FALSE(Plan(now).trims);
  now.low = 150;
  REQUIRE(Plan(now).keep == 1);
  REQUIRE(Plan(now).trims);
  REQUIRE_FALSE(Plan(now).grows);
  now.low = 300;
  REQUIRE_FALSE(Plan(now).has_kept);
  REQUIRE_FALSE(Plan(now).lost);
}

TEST_CASE("partition plan: records deleted before they were saved are a gap") {
  PartitionFacts now = Now();
  now.low = 350;
  now.last_stable = now.high = 400;
  const PartitionPlan plan = Plan(now);
  REQUIRE(plan.reread_reason.empty());
  REQUIRE_FALSE(plan.has_kept);
  REQUIRE(plan.read_from == 350);
  REQUIRE(plan.grows);
  REQUIRE(plan.lost);
  REQUIRE(plan.lost->first == 300);
  REQUIRE(plan.lost->end == 350);
}

TEST_CASE("partition plan: a recreated topic is read from the start") {
  PartitionFacts now = Now();
  now.topic_id = "other";
  now.last_stable = now.high = 500;
  const PartitionPlan plan = Plan(now);
  REQUIRE(plan.reread_reason.find("recreated") != std::string::npos);
  REQUIRE_FALSE(plan.has_kept);
  REQUIRE(plan.read_from == 0);
}

TEST_CASE("partition plan: a partition that became shorter is read from the start") {
  PartitionFacts now = Now();
  now.last_stable = now.high = 299;
  REQUIRE(Plan(now).reread_reason.find("ends at offset 299") != std::string::npos);
}

TEST_CASE(
    "partition plan: after an unclean election everything is read, even if the log has grown") {
  PartitionFacts now = Now();
  now.last_stable = now.high = 400;
  now.epochs = {{0, 0}, {2, 150}, {3, 250}};  // 250 to 299 are other records now
  REQUIRE(Plan(now).reread_reason.find("epoch 3") != std::string::npos);
  now.epochs = {{0, 0}, {4, 100}};
  REQUIRE_FALSE(Plan(now).reread_reason.empty());
  now.epochs = {{2, 200}, {4, 300}};  // Kafka drops epochs below the low offset
  now.low = 200;
  REQUIRE(Plan(now).reread_reason.empty());
}

TEST_CASE("partition plan: epochs do not matter for deleted records") {
  PartitionFacts now = Now();
  now.low = now.last_stable = now.high = 300;
  now.epochs = {{7, 300}};
  REQUIRE(Plan(now).reread_reason.empty());
  REQUIRE_FALSE(Plan(now).must_compare);
}

TEST_CASE("partition plan: compacted topics, also former ones, are read from the start") {
  PartitionFacts now = Now();
  now.compacted = true;
  REQUIRE_FALSE(Plan(now).has_kept);
  REQUIRE(Plan(now).grows);
  REQUIRE(Plan(now).reread_reason.empty());
  PartitionDocument saved = Saved();
  saved.compacted = true;
  REQUIRE_FALSE(Plan(Now(), saved).has_kept);
}

TEST_CASE("partition plan: without stored records nothing is assumed") {
  PartitionDocument saved = Saved();
  saved.files.clear();
  saved.last_record = {};
  const PartitionPlan plan = Plan(Now(), saved);
  REQUIRE(plan.read_from == 0);
  REQUIRE(plan.grows);
}

TEST_CASE("partition plan: the epoch of an offset is found") {
  const std::vector<EpochStart> epochs = {{1, 10}, {4, 20}};
  REQUIRE_FALSE(EpochAt(epochs, 9));
  REQUIRE(EpochAt(epochs, 10) == 1);
  REQUIRE(EpochAt(epochs, 19) == 1);
  REQUIRE(EpochAt(epochs, 5'000'000'000) == 4);
}

}  // namespace
}  // namespace holdfast::kafka
