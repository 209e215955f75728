#include <librdkafka/rdkafka.h>

#include "common/kafka/acls.h"
#include "common/kafka/capabilities.h"
#include "common/kafka/configs.h"
#include "common/kafka/groups.h"
#include "common/kafka/topics.h"
#include "common/kafka/users.h"
#include "tests/support/results.h"
#include "tests/unit/kafka/mock_cluster.h"

namespace holdfast::rdkafka {
namespace {

using holdfast::testing::Unwrap;
using testing::Api;
using testing::MockCluster;

std::unique_ptr<Client> Open(const MockCluster& kafka) {
  return Unwrap(Client::Open(kafka.options()));
}

// The mock cluster answers only requests to a group's coordinator. It has no controller, which gets
// most of the others.
std::unique_ptr<Client> OpenBriefly(const MockCluster& kafka) {
  ClientOptions options = kafka.options();
  options.time_limit = std::chrono::milliseconds(200);
  return Unwrap(Client::Open(std::move(options)));
}

bool Is(const std::optional<Error>& error, ErrorCode code) {
  return error && error->code() == code;
}

const AclBinding kBinding = {"TOPIC", "orders", "LITERAL", "User:anna", "*", "READ", "ALLOW"};

TEST_CASE("kafka groups: offsets are committed for each partition") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 2);
  auto client = Open(kafka);
  const std::vector<GroupOffset> offsets = {
      {.partition = {"orders", 1}, .offset = 42, .metadata = "of yesterday"},
      {.partition = {"orders", 7}, .offset = 1},
      {.partition = {"orders", 0}, .offset = -1},
      {.partition = {"clicks", 0}, .offset = 7}};

  const auto outcomes = Unwrap(AlterGroupOffsets(*client, "billing", offsets, {}));

  REQUIRE(outcomes.size() == 4);
  CHECK_FALSE(outcomes[0]);
  CHECK(Is(outcomes[1], ErrorCode::kNotFound));
  CHECK(Is(outcomes[2], ErrorCode::kInvalidArgument));
  CHECK(Is(outcomes[3], ErrorCode::kNotFound));
}

TEST_CASE("kafka groups: nothing is committed while a group has members") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  auto client = Open(kafka);
  kafka.FailNext(Api::kOffsetCommit, {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID});
  const std::vector<GroupOffset> offsets = {{.partition = {"orders", 0}, .offset = 1}};

  const auto outcomes = Unwrap(AlterGroupOffsets(*client, "billing", offsets, {}));

  REQUIRE(Is(outcomes[0], ErrorCode::kBusy));
  CHECK_THAT(outcomes[0]->hint(), Catch::Contains("stop its consumers"));
}

TEST_CASE("kafka groups: a group without the right to describe it fails alone") {
  MockCluster kafka;
  auto client = Open(kafka);
  kafka.FailNext(Api::kOffsetFetch, {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED});
  const std::vector<std::string> groups = {"billing"};

  const auto offsets = Unwrap(ListGroupOffsets(*client, groups, {}));

  REQUIRE(Is(offsets[0].error, ErrorCode::kDenied));
  CHECK_THAT(offsets[0].error->hint(), Catch::Contains("DESCRIBE on group \"billing\""));
}

TEST_CASE("kafka admin: unanswered requests end at the time limit") {
  MockCluster kafka;
  auto client = OpenBriefly(kafka);
  const std::vector<NewTopic> topics = {{.name = "orders"}};
  const std::vector<std::string> names = {"orders"};
  const std::vector<AclBinding> bindings = {kBinding};

  const auto is_over = [](const auto& result) {
    REQUIRE_FAILS(result, ErrorCode::kTimedOut, "kafka at ");
  };
  is_over(CreateTopics(*client, topics, Effect::kReal, {}));
  is_over(DeleteTopics(*client, names, {}));
  is_over(DescribeAcls(*client, {}));
  is_over(CreateAcls(*client, bindings, {}));
}

TEST_CASE("kafka admin: requests unknown to an old broker are unsupported") {
  MockCluster kafka;
  auto client = Open(kafka);
  const std::vector<ConfigOwner> owners = {{ConfigScope::kBroker, "1"}};

  const auto configs = Unwrap(DescribeConfigs(*client, owners, {}));

  REQUIRE(Is(configs[0].error, ErrorCode::kUnsupported));
  CHECK_THAT(configs[0].error->message(), Catch::Contains("kafka at "));
}

TEST_CASE("kafka users: they are listed if librdkafka can") {
  MockCluster kafka;
  auto client = OpenBriefly(kafka);

  const auto users = DescribeScramUsers(*client, {});

  if (LibraryCapabilities().scram_users)
    REQUIRE_FAILS(users, ErrorCode::kTimedOut, "kafka at ");
  else
    REQUIRE_FAILS(users, ErrorCode::kUnsupported, "librdkafka 2.2 or later");
}

TEST_CASE("kafka admin: empty lists send no requests") {
  MockCluster kafka;
  auto client = Open(kafka);

  CHECK(Unwrap(CreateTopics(*client, {}, Effect::kReal, {})).empty());
  CHECK(Unwrap(DeleteTopics(*client, {}, {})).empty());
  CHECK(Unwrap(DescribeConfigs(*client, {}, {})).empty());
  CHECK(Unwrap(ReplaceConfigs(*client, {}, {})).empty());
  CHECK(Unwrap(CreateAcls(*client, {}, {})).empty());
  CHECK(Unwrap(ListGroupOffsets(*client, {}, {})).empty());
}

TEST_CASE("kafka configs: an invalid owner does not affect the others") {
  MockCluster kafka;
  auto client = OpenBriefly(kafka);
  const std::vector<ConfigOwner> owners = {{ConfigScope::kTopic, "orders"},
                                           {ConfigScope::kBroker, ""},
                                           {ConfigScope::kBroker, "1"},
                                           {ConfigScope::kTopic, ""},
                                           {ConfigScope::kGroup, "billing"}};

  const auto configs = Unwrap(DescribeConfigs(*client, owners, {}));

  REQUIRE(configs.size() == 5);
  CHECK(configs[1].owner == owners[1]);
  CHECK(Is(configs[0].error, ErrorCode::kTimedOut));
  REQUIRE(Is(configs[1].error, ErrorCode::kUnsupported));
  CHECK_THAT(configs[1].error->hint(), Catch::Contains("--entity-default"));
  CHECK(Is(configs[2].error, ErrorCode::kUnsupported));
  CHECK(Is(configs[3].error, ErrorCode::kInvalidArgument));
  CHECK(Is(configs[4].error, ErrorCode::kTimedOut));
}

TEST_CASE("kafka configs: a value that cannot be sent is refused") {
  MockCluster kafka;
  auto client = Open(kafka);
  const std::vector<ConfigSet> sets = {
      {{ConfigScope::kTopic, "orders"}, {{"retention.ms", std::string("1\0002", 3)}}}};

  REQUIRE_FAILS(ReplaceConfigs(*client, sets, {}), ErrorCode::kInvalidArgument, "retention.ms");
}

TEST_CASE("kafka topics: a topic that librdkafka refuses has its own error") {
  MockCluster kafka;
  auto client = Open(kafka);
  const std::vector<NewTopic> topics = {
      {.name = "orders", .partitions = 1, .replication_factor = 20'000},
      {.name = "clicks", .partitions = 100'001},
      {.name = "views", .configs = {{"", "x"}}}};

  const auto outcomes = Unwrap(CreateTopics(*client, topics, Effect::kNone, {}));

  REQUIRE(outcomes.size() == 3);
  CHECK(Is(outcomes[0], ErrorCode::kInvalidArgument));
  CHECK(Is(outcomes[1], ErrorCode::kInvalidArgument));
  CHECK(Is(outcomes[2], ErrorCode::kInvalidArgument));
}

TEST_CASE("kafka acls: a binding type unknown to librdkafka is named") {
  MockCluster kafka;
  auto client = Open(kafka);
  AclBinding token = kBinding;
  token.resource_type = "DELEGATION_TOKEN";
  AclBinding word = kBinding;
  word.operation = "DANCE";
  const std::vector<AclBinding> bindings = {token, word};

  const auto outcomes = Unwrap(CreateAcls(*client, bindings, {}));

  REQUIRE(Is(outcomes[0], ErrorCode::kUnsupported));
  CHECK_THAT(outcomes[0]->message(),
             Catch::Contains("ALLOW User:anna READ on DELEGATION_TOKEN \"orders\""));
  CHECK_THAT(outcomes[0]->hint(), Catch::Contains("kafka-acls"));
  CHECK(Is(outcomes[1], ErrorCode::kUnsupported));
}

}  // namespace
}  // namespace holdfast::rdkafka
