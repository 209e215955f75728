#include "agent/sources/kafka/documents.h"

#include <string>

#include "common/base/bytes.h"
#include "tests/support/catch.h"
#include "tests/support/refusals.h"
#include "tests/support/results.h"

namespace holdfast::kafka {
namespace {

using testing::RequireRefused;
using testing::Unwrap;

RecordRun RunOf(std::int64_t first, std::int64_t last, std::uint64_t records) {
  RecordRun run{.records = records,
                .content_bytes = 10 * records,
                .first_offset = first,
                .last_offset = last,
                .min_timestamp = -5,
                .max_timestamp = 1'700'000'000'000,
                .gaps = 1};
  run.digest.fill(static_cast<std::uint8_t>(first));
  return run;
}

PartitionDocument SamplePartition() {
  PartitionDocument document;
  document.topic_id = "tx0r8Z3KQ2mYy5l1cV9nWA";
  document.leader = 2;
  document.low = 3;
  document.last_stable = 90;
  document.high = 95;
  document.end = 90;
  document.epochs = {{0, 0}, {4, 40}};
  document.last_record = RunOf(88, 88, 1);
  document.last_record_epoch = 4;
  document.compacted = true;
  document.lost = {{0, 3, "retention"}};
  document.files = {{1000, RunOf(3, 50, 20)}, {2000, RunOf(52, 88, 37)}};
  return document;
}

std::string With(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("documents: each decodes unchanged") {
  ClusterDocument cluster{
      .cluster_id = "c",
      .brokers = {{1, "a", 9092, {{"log.cleaner.threads", "2"}}}, {2, "b", 1, {}}},
      .default_configs = {{"min.insync.replicas", "2"}},
      .client_metrics = {{"m", {{"interval.ms", "1"}}}}};
  REQUIRE(Unwrap(DecodeCluster(EncodeCluster(cluster))) == cluster);
  const std::vector<rdkafka::AclBinding> acls = {
      {"TOPIC", "orders", "LITERAL", "User:anna", "*", "READ", "ALLOW"}};
  REQUIRE(Unwrap(DecodeAcls(EncodeAcls(acls))) == acls);
  const std::vector<ScramUserFacts> users = {{"anna", {{"SCRAM-SHA-512", 4096}}}};
  REQUIRE(Unwrap(DecodeUsers(EncodeUsers(users))) == users);
  GroupDocument group{.name = "g",
                      .state = "Empty",
                      .type = "Classic",
                      .configs = {{"x", "y"}},
                      .offsets = {{"orders", 0, 7, -1, "note"}, {"orders", 1, 0, 3, ""}}};
  REQUIRE(Unwrap(DecodeGroup(EncodeGroup(group))) == group);
  TopicDocument topic{.name = "orders",
                      .id = "tx0r8Z3KQ2mYy5l1cV9nWA",
                      .partitions = 2,
                      .replication_factor = 2,
                      .replicas = {{1, 2}, {2, 1}},
                      .configs = {{"cleanup.policy", "compact"}}};
  REQUIRE(Unwrap(DecodeTopic(EncodeTopic(topic))) == topic);
  const PartitionDocument partition = SamplePartition();
  REQUIRE(Unwrap(DecodePartition(EncodePartition(partition))) == partition);
  REQUIRE(Unwrap(DecodePartition(EncodePartition({}))) == PartitionDocument{});
}

TEST_CASE("documents: invalid UTF-8 is preserved") {
  GroupDocument group;
  group.name = "g\xff";
  group.offsets = {{"t", 0, 0, -1, std::string("\0\xfe", 2)}};
  REQUIRE(Unwrap(DecodeGroup(EncodeGroup(group))) == group);
}

TEST_CASE("documents: the totals of a partition are those of its files") {
  const PartitionDocument document = SamplePartition();
  const RecordRun run = document.run();
  REQUIRE(run.records == 57);
  REQUIRE(run.first_offset == 3);
  REQUIRE(run.last_offset == 88);
  REQUIRE(run.gaps == 3);
  const std::string text = EncodePartition(document);
  REQUIRE(text.find(HexEncode(run.digest)) != std::string::npos);
  REQUIRE(text.find("\"name\": \"00000000000000000052.log\"") != std::string::npos);
}

TEST_CASE("documents: unknown fields are ignored, newer formats are refused") {
  const std::string text = EncodePartition(SamplePartition());
  REQUIRE_OK(DecodePartition(With(text, "\"leader\"", "\"new\": [{}], \"leader\"")));
  REQUIRE_FAILS(DecodePartition(With(text, "\"format_version\": 1", "\"format_version\": 2")),
                ErrorCode::kUnsupported, "format 2, but this program supports 1");
}

TEST_CASE("documents: malformed documents are corrupt") {
  const std::string text = EncodePartition(SamplePartition());
  for (const char* broken : {"", "[]", "{}", "{\"format_version\": 0}", "{\"format_version\": -1}"})
    REQUIRE_FAILS(DecodePartition(broken), ErrorCode::kCorrupt, "malformed");
  RequireRefused(
      DecodePartition, ErrorCode::kCorrupt,
      {{text.substr(0, text.size() / 2), "form"},
       {With(text, "\"leader\": 2", "\"leader\": \"2\""), "\"leader\" is not a valid number"},
       {With(text, "\"leader\": 2", "\"leader\": 4294967296"), "\"leader\" is not a valid number"},
       {With(text, "\"bytes\": 1000", "\"bytes\": -1000"), "\"bytes\" is not a valid number"},
       {With(text, "\"low\": 3", "\"low\": 91"), "offsets are not in order"},
       {With(text, "\"end\": 90", "\"end\": 88"), "beyond the end"},
       {With(text, "\"epoch\": 4", "\"epoch\": 0"), "epochs are not in order"},
       {With(text, "\"records\": 20", "\"records\": 49"), "records do not match their offsets"}});
}

TEST_CASE("documents: file names of groups are valid on any file system") {
  REQUIRE(GroupPath("orders-1.x") == "data/groups/orders-1.x.json");
  REQUIRE(GroupPath("a/b c%") == "data/groups/a%2Fb%20c%25.json");
  REQUIRE(GroupPath("..") == "data/groups/...json");
  const std::string longest(32'000, '/');
  REQUIRE(GroupPath(longest).size() < 255);
  REQUIRE(GroupPath(longest) != GroupPath(longest + "/"));
}

TEST_CASE("documents: paths follow from the topic and partition") {
  REQUIRE(TopicDocumentPath("t") == "data/topics/t/topic.json");
  REQUIRE(PartitionDocumentPath("t", 12) == "data/topics/t/12/partition.json");
}

}  // namespace
}  // namespace holdfast::kafka
