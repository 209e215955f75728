#include "agent/sources/kafka/stored_cluster.h"

#include "agent/sources/kafka/restore_acls.h"
#include "agent/sources/kafka/restore_groups.h"
#include "agent/sources/kafka/restore_records.h"
#include "agent/sources/kafka/retention_outlook.h"
#include "agent/sources/kafka/stored_records.h"
#include "tests/support/catch.h"
#include "tests/unit/sources/kafka/snapshots.h"

namespace holdfast::kafka {
namespace {

using testing::Unwrap;

std::vector<std::string> NamesOf(const std::vector<StoredTopic>& topics) {
  std::vector<std::string> names;
  for (const StoredTopic& topic : topics) names.push_back(topic.name() + ">" + topic.target);
  return names;
}

TEST_CASE("kafka stored cluster: topics are selected and renamed as requested") {
  StoredSnapshot snapshot;
  for (const char* name : {"orders", "events", "_schemas"}) snapshot.AddTopic(name, 1);
  RestoreRequest request;
  using Names = std::vector<std::string>;

  CHECK(NamesOf(Unwrap(ReadStoredTopics(snapshot.view, request))) ==
        Names{"_schemas>_schemas", "events>events", "orders>orders"});
  request.prefix = "x.";
  request.renames = {{"events", "happened"}};
  request.topics = {"e*", "orders"};
  CHECK(NamesOf(Unwrap(ReadStoredTopics(snapshot.view, request))) ==
        Names{"events>happened", "orders>x.orders"});

  request.topics = {"none*"};
  REQUIRE_FAILS(ReadStoredTopics(snapshot.view, request), ErrorCode::kNotFound, "\"none*\"");
  request.topics = {"orders"};
  REQUIRE_FAILS(ReadStoredTopics(snapshot.view, request), ErrorCode::kNotFound, "\"events\"");
  request = {};
  request.renames = {{"events", "orders"}};
  REQUIRE_FAILS(ReadStoredTopics(snapshot.view, request), ErrorCode::kInvalidArgument,
                "would both be called");
  request = {};
  request.prefix = std::string(245, 'p');
  REQUIRE_FAILS(ReadStoredTopics(snapshot.view, request), ErrorCode::kInvalidArgument,
                ", which is not a valid topic name");
}

TEST_CASE("kafka stored cluster: a topic created during the backup is skipped") {
  StoredSnapshot snapshot;
  snapshot.AddTopic("orders", 1);
  snapshot.AddRecords("late", 0, {});
  CHECK(NamesOf(Unwrap(ReadStoredTopics(snapshot.view, {}))) ==
        std::vector<std::string>{"orders>orders"});
  RestoreRequest request;
  request.topics = {"*"};
  CHECK(Unwrap(ReadStoredTopics(snapshot.view, request)).size() == 1);
  request.topics = {"orders", "late"};
  REQUIRE_FAILS(ReadStoredTopics(snapshot.view, request), ErrorCode::kNotFound,
                "topic \"late\" was created during");
}

TEST_CASE("kafka stored cluster: a damaged document is named") {
  StoredSnapshot snapshot;
  snapshot.AddTopic("orders", 1);
  snapshot.AddFile(PartitionDocumentPath("orders", 0), AsBytes("{"));

  REQUIRE_FAILS(ReadStoredTopics(snapshot.view, {}), ErrorCode::kCorrupt,
                "data/topics/orders/0/partition.json");
}

std::vector<std::string> TextsOf(StoredSnapshot& snapshot, const PartitionDocument& document,
                                 const RestoreRequest& request) {
  StoredRecords records(snapshot.view, "orders", 0, document, request);
  std::vector<std::string> texts;
  while (const Record* record = Unwrap(records.Next())) texts.push_back(Text(*record));
  return texts;
}

TEST_CASE("kafka stored cluster: missing and incomplete partitions are reported") {
  StoredSnapshot snapshot;
  snapshot.AddTopic("t", 3);
  PartitionDocument cut = snapshot.AddRecords("t", 1, {});
  cut.last_stable = cut.high = 7;
  cut.incomplete = "no leader";
  snapshot.AddFile(PartitionDocumentPath("t", 1), AsBytes(EncodePartition(cut)));
  snapshot.view.nodes.erase(PartitionDocumentPath("t", 2));

  const auto topics = Unwrap(ReadStoredTopics(snapshot.view, {}));

  CHECK_FALSE(HoleIn(topics.at(0), 0));
  CHECK(HoleIn(topics.at(0), 1) == "the end of partition 1 of topic \"t\" (no leader)");
  CHECK(HoleIn(topics.at(0), 2) == "partition 2 of topic \"t\" as a whole");
  CHECK_THAT(HolesError({"a", "b"}).Text(), Catch::Contains("does not have all records: a, b"));
}

TEST_CASE("kafka stored records: are read in order from all files") {
  StoredSnapshot snapshot;
  snapshot.AddTopic("orders", 1);
  const Partition made(7, {.records = 500, .gaps = 10});
  const PartitionDocument document = snapshot.AddRecords("orders", 0, made.records);
  REQUIRE(document.files.size() > 3);
  std::vector<std::string> expected;
  for (const Record& record : made.records) expected.push_back(Text(record));

  CHECK(TextsOf(snapshot, document, {}) == expected);

  // Some files only have records after `until`, and some have both.
  const std::int64_t until = 1'700'000'000'000;
  expected.clear();
  for (const Record& record : made.records)
    if (record.timestamp < until) expected.push_back(Text(record));
  RestoreRequest request;
  request.until_ms = until;
  CHECK(TextsOf(snapshot, document, request) == expected);
  CHECK(expected.size() < made.records.size());
}

TEST_CASE("kafka stored records: a file that differs from its document is an error") {
  StoredSnapshot snapshot;
  snapshot.AddTopic("orders", 1);
  const Partition made(7, {.records = 500});
  PartitionDocument document = snapshot.AddRecords("orders", 0, made.records);
  document.files[1].run.digest[0] ^= 1;
  RestoreRequest request;
  StoredRecords records(snapshot.view, "orders", 0, document, request);

  std::uint64_t given = 0;
  for (;;) {
    auto record = records.Next();
    if (record) {
      REQUIRE(*record != nullptr);
      ++given;
      continue;
    }
    CHECK(record.error().code() == ErrorCode::kCorrupt);
    CHECK_THAT(record.error().message(),
               Catch::Contains(SegmentName(document.files[1].run.first_offset)));
    break;
  }
  CHECK(given == document.files[0].run.records + document.files[1].run.records);
  CHECK(Unwrap(records.Next()) == nullptr);
}

TEST_CASE("kafka stored records: timestamps of 0 are found") {
  StoredSnapshot snapshot;
  snapshot.AddTopic("orders", 1);
  TextRecords made;
  for (std::int64_t i = 0; i < 100; ++i) made.Add(10 + i, "v", i < 50 ? -5 : 5);
  made.records[60].timestamp = 0;
  made.records[90].timestamp = 0;
  snapshot.AddRecords("orders", 0, made.records);

  const ZeroTimestamps found = Unwrap(FindZeroTimestamps(snapshot.view, "orders", 0, {}));

  CHECK(found.records == 2);
  CHECK(found.first_offset == 70);
}

TEST_CASE("kafka stored cluster: groups' offsets in unselected topics are not looked up") {
  StoredSnapshot snapshot;
  snapshot.AddTopic("orders", 2);
  snapshot.AddTopic("events", 1);
  snapshot.AddGroup("a",
                    {{"orders", 0, 5, -1, ""}, {"orders", 1, 6, -1, ""}, {"events", 0, 7, -1, ""}});
  snapshot.AddGroup("b", {{"orders", 0, 5, -1, ""}, {"orders", 2, 9, -1, ""}});
  snapshot.AddGroup("c", {{"events", 0, 5, -1, ""}});
  RestoreRequest request;
  request.topics = {"orders"};
  const auto topics = Unwrap(ReadStoredTopics(snapshot.view, request));

  const StoredGroups groups = Unwrap(ReadStoredGroups(snapshot.view, topics));

  CHECK(groups.groups == 2);
  CHECK(groups.offsets == 3);
  REQUIRE(groups.committed.size() == 2);
  CHECK(groups.committed.at({"orders", 0}).places().size() == 1);
}

TEST_CASE("kafka committed offsets: are translated to the next record, or to the end") {
  CommittedOffsets committed;
  for (const std::int64_t offset : {0, 5, 6, 7, 100}) committed.Add(offset);
  committed.Begin();

  committed.See(5, 0);
  committed.See(7, 1);
  committed.See(8, 2);
  committed.SeeEnd(3);

  CHECK(committed.PlaceOf(0) == 0);
  CHECK(committed.PlaceOf(5) == 0);
  CHECK(committed.PlaceOf(6) == 1);
  CHECK(committed.PlaceOf(7) == 1);
  CHECK(committed.PlaceOf(100) == 3);
}

rdkafka::AclBinding StoredAcl(std::string type, std::string name, std::string pattern = "LITERAL") {
  return {std::move(type), std::move(name), std::move(pattern), "User:anna", "*", "READ", "ALLOW"};
}

TEST_CASE("kafka restore of rights: ACLs of selected topics are restored, with their new names") {
  StoredSnapshot snapshot;
  snapshot.AddTopic("orders", 1);
  snapshot.AddTopic("events", 1);
  const std::vector<rdkafka::AclBinding> stored = {
      StoredAcl("TOPIC", "orders"), StoredAcl("TOPIC", "events"),
      StoredAcl("TOPIC", "ord", "PREFIXED"), StoredAcl("GROUP", "orders")};
  RestoreRequest request;
  request.renames = {{"orders", "old"}};

  ChosenAcls all = ChooseAcls(stored, Unwrap(ReadStoredTopics(snapshot.view, request)), request);
  REQUIRE(all.bindings.size() == 4);
  CHECK(all.bindings[0].resource_name == "old");
  CHECK(all.bindings[2].resource_name == "ord");
  CHECK(all.bindings[3].resource_name == "orders");

  request.topics = {"orders"};
  const ChosenAcls some =
      ChooseAcls(stored, Unwrap(ReadStoredTopics(snapshot.view, request)), request);
  REQUIRE(some.bindings.size() == 1);
  CHECK(some.bindings[0].resource_name == "old");
  CHECK(some.left_out == 3);
}

StoredTopic OfAge(std::int64_t min_timestamp, std::int64_t max_timestamp) {
  StoredTopic topic;
  topic.target = "orders";
  StoredPartition& partition = topic.partitions.emplace_back();
  partition.records = 10;
  partition.file_bytes = 1000;
  partition.min_timestamp = min_timestamp;
  partition.max_timestamp = max_timestamp;
  return topic;
}

TEST_CASE("kafka retention outlook: records too old for their topic are reported") {
  constexpr std::int64_t kDay = 86'400'000;
  const WallTime now{std::chrono::hours(24 * 100)};
  const auto outlook = [&](const StoredTopic& topic, const Configs& configs,
                           const Configs& defaults = {}) {
    return RetentionOutlook(topic, configs, defaults, now).value_or("");
  };
  const StoredTopic old = OfAge(kDay, 2 * kDay);

  CHECK_THAT(outlook(old, {}),
             Catch::Contains(": 10 of 10 records older than") && Catch::Contains("7 days"));
  CHECK_THAT(outlook(OfAge(kDay, 99 * kDay), {}), Catch::Contains("up to 10 of 10"));
  CHECK(outlook(OfAge(95 * kDay, 99 * kDay), {}).empty());
  CHECK(outlook(old, {{"retention.ms", "-1"}}).empty());
  CHECK(outlook(old, {{"cleanup.policy", "compact"}}).empty());
  CHECK_FALSE(outlook(old, {{"cleanup.policy", "compact,delete"}}).empty());
  CHECK(outlook(old, {}, {{"retention.ms", "-1"}}).empty());
  CHECK_FALSE(outlook(old, {{"retention.ms", "60000"}}, {{"retention.ms", "-1"}}).empty());
  CHECK_THAT(outlook(OfAge(95 * kDay, 99 * kDay), {{"retention.bytes", "999"}}),
             Catch::Contains("a partition exceeds retention.bytes (999"));
}

TEST_CASE("kafka retention outlook: brokers set it in hours, minutes or milliseconds") {
  const auto entry = [](std::string name, std::optional<std::string> value) {
    return rdkafka::ConfigEntry{.name = std::move(name), .value = std::move(value)};
  };
  CHECK(RetentionDefaults(
            {entry("log.retention.hours", "2"), entry("log.retention.minutes", std::nullopt),
             entry("log.retention.ms", std::nullopt)}) == Configs{{"retention.ms", "7200000"}});
  CHECK(RetentionDefaults({entry("log.retention.hours", "2"), entry("log.retention.ms", "-1"),
                           entry("log.cleanup.policy", "compact")}) ==
        Configs{{"cleanup.policy", "compact"}, {"retention.ms", "-1"}});
}

}  // namespace
}  // namespace holdfast::kafka
