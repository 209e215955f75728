#include "common/kafka/cluster.h"

#include <librdkafka/rdkafka.h>
#include <sys/socket.h>

#include <thread>

#include "common/kafka/capabilities.h"
#include "common/kafka/configs.h"
#include "tests/support/loopback_listener.h"
#include "tests/support/results.h"
#include "tests/unit/kafka/mock_cluster.h"

namespace holdfast::rdkafka {
namespace {

using holdfast::testing::LoopbackListener;
using holdfast::testing::UnknownHost;
using holdfast::testing::Unwrap;
using testing::Api;
using testing::CreateFilled;
using testing::MockCluster;
using testing::WriteNumbers;

std::unique_ptr<Client> Open(ClientOptions options, LogObserver observer = {}) {
  return Unwrap(Client::Open(std::move(options), std::move(observer)));
}

// A listener that accepts connections and never answers.
ClientOptions Silent(const LoopbackListener& listener) {
  return {.bootstrap = {listener.authority}, .time_limit = std::chrono::minutes(2)};
}

TEST_CASE("kafka cluster: brokers, topics and partitions are in order") {
  MockCluster kafka(3);
  kafka.CreateTopic("orders", 4, 3);
  kafka.CreateTopic("clicks", 1, 3);
  auto client = Open(kafka.options());

  const Cluster cluster = Unwrap(DescribeCluster(*client, {}));

  CHECK_FALSE(cluster.id.empty());
  REQUIRE(cluster.brokers.size() == 3);
  CHECK(cluster.brokers[0].id == 1);
  CHECK(cluster.brokers[0].host == "127.0.0.1");
  REQUIRE(cluster.topics.size() == 2);
  CHECK(cluster.topics[0].name == "clicks");
  const Topic& orders = cluster.topics[1];
  CHECK_FALSE(orders.error);
  REQUIRE(orders.partitions.size() == 4);
  CHECK(orders.partitions[3].id == 3);
  CHECK(orders.partitions[3].leader >= 1);
  CHECK(orders.partitions[3].replicas.size() == 3);
  CHECK(orders.partitions[3].in_sync.size() == 3);
}

TEST_CASE("kafka cluster: topic ids are listed if librdkafka can") {
  MockCluster kafka;  // has no controller, which answers this request
  ClientOptions options = kafka.options();
  options.time_limit = std::chrono::milliseconds(200);
  auto client = Open(options);
  const std::vector<std::string> topics = {"orders"};

  const auto ids = ListTopicIds(*client, topics, {});

  if (LibraryCapabilities().topic_ids)
    REQUIRE_FAILS(ids, ErrorCode::kTimedOut, "kafka at ");
  else
    REQUIRE_FAILS(ids, ErrorCode::kUnsupported, "librdkafka 2.3 or later");
}

TEST_CASE("kafka cluster: a topic exists, does not exist, or is forbidden") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 2);
  kafka.SetTopicError("secret", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  // The mock brokers create requested topics. Real ones follow their configuration.
  kafka.SetTopicError("none", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  auto client = Open(kafka.options());
  const std::vector<std::string> names = {"orders", "none", "secret", "", std::string("a\0b", 3)};

  const auto outcomes = Unwrap(LookUpTopics(*client, names, {}));

  REQUIRE(outcomes.size() == 5);
  CHECK_FALSE(outcomes[0]);
  REQUIRE(outcomes[1]);
  CHECK(outcomes[1]->code() == ErrorCode::kNotFound);
  REQUIRE(outcomes[2]);
  CHECK(outcomes[2]->code() == ErrorCode::kDenied);
  CHECK_THAT(outcomes[2]->hint(), Catch::Contains("DESCRIBE on topic \"secret\""));
  for (int i : {3, 4}) {
    REQUIRE(outcomes[i]);
    CHECK(outcomes[i]->code() == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("kafka cluster: with one address the broker listening there answers") {
  MockCluster kafka(3);
  ClientOptions options = kafka.options();
  options.bootstrap = {options.bootstrap[1]};
  auto client = Open(options);

  const Cluster cluster = Unwrap(DescribeCluster(*client, {}));

  CHECK(cluster.answering_broker == 2);
}

TEST_CASE("kafka cluster: a partition without a leader has none") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 2);
  kafka.SetLeader("orders", 1, -1);
  auto client = Open(kafka.options());

  const Cluster cluster = Unwrap(DescribeCluster(*client, {}));

  CHECK(cluster.topics[0].partitions[0].leader == 1);
  CHECK(cluster.topics[0].partitions[1].leader == -1);
}

TEST_CASE("kafka cluster: bounds of many partitions are listed") {
  MockCluster kafka(3);
  kafka.CreateTopic("orders", 1200);
  WriteNumbers(kafka.options(), {"orders", 0}, 3);
  WriteNumbers(kafka.options(), {"orders", 1100}, 5);
  auto client = Open(kafka.options());
  std::vector<TopicPartition> all;
  for (int i = 0; i < 1200; ++i) all.push_back({"orders", i});

  const auto bounds = Unwrap(ListBounds(*client, all, {}));

  REQUIRE(bounds.size() == 1200);
  for (const Bounds& entry : bounds) REQUIRE_FALSE(entry.error);
  CHECK(bounds[0].low == 0);
  CHECK(bounds[0].last_stable == 3);
  CHECK(bounds[0].high == 3);
  CHECK(bounds[1].high == 0);
  CHECK(bounds[1100].last_stable == 5);
}

TEST_CASE("kafka cluster: an unknown partition does not affect the bounds of others") {
  MockCluster kafka;
  CreateFilled(kafka, "orders", {0, 0, 4});
  auto client = Open(kafka.options());

  const std::vector<TopicPartition> asked = {{"orders", 0}, {"orders", 7}, {"orders", 2}};
  const auto bounds = Unwrap(ListBounds(*client, asked, {}));

  CHECK_FALSE(bounds[0].error);
  REQUIRE(bounds[1].error);
  CHECK(bounds[1].error->code() == ErrorCode::kNotFound);
  CHECK(bounds[2].high == 4);
}

TEST_CASE("kafka cluster: an unknown partition alone is not found") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  auto client = Open(kafka.options());

  const std::vector<TopicPartition> asked = {{"orders", 7}};
  const auto bounds = Unwrap(ListBounds(*client, asked, {}));

  REQUIRE(bounds[0].error);
  CHECK(bounds[0].error->code() == ErrorCode::kNotFound);
}

TEST_CASE("kafka cluster: after an error in one partition the others are requested again") {
  MockCluster kafka;
  CreateFilled(kafka, "orders", {0, 0, 0, 2});
  auto client = Open(kafka.options());
  // The request for all four fails, then that for the first two, then that for the first.
  constexpr int kRefused = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
  kafka.FailNext(Api::kListOffsets, {kRefused, kRefused, kRefused});

  std::vector<TopicPartition> asked;
  for (int i = 0; i < 4; ++i) asked.push_back({"orders", i});
  const auto bounds = Unwrap(ListBounds(*client, asked, {}));

  REQUIRE(bounds[0].error);
  CHECK(bounds[0].error->code() == ErrorCode::kDenied);
  CHECK_THAT(bounds[0].error->hint(), Catch::Contains("DESCRIBE on topic \"orders\""));
  for (int i = 1; i < 4; ++i) CHECK_FALSE(bounds[static_cast<std::size_t>(i)].error);
  CHECK(bounds[3].high == 2);
}

TEST_CASE("kafka cluster: bounds are read from the new leader after the old one moved or died") {
  const bool has_died = GENERATE(false, true);
  INFO(has_died);
  MockCluster kafka(2);
  kafka.CreateTopic("orders", 1, 2);
  kafka.SetLeader("orders", 0, 1);
  WriteNumbers(kafka.options(), {"orders", 0}, 2);
  ClientOptions options = kafka.options();
  if (has_died) options.time_limit = std::chrono::seconds(10);
  auto client = Open(options);
  const std::vector<TopicPartition> asked = {{"orders", 0}};
  CHECK(Unwrap(ListBounds(*client, asked, {}))[0].high == 2);

  if (has_died) kafka.SetDown(1);
  kafka.SetLeader("orders", 0, 2);

  const auto bounds = Unwrap(ListBounds(*client, asked, {}));
  CHECK_FALSE(bounds[0].error);
  CHECK(bounds[0].high == 2);
}

TEST_CASE("kafka cluster: a topic has bounds as soon as it is created") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  kafka.CreateTopic("new", 1);
  kafka.SetTopicError("new", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  auto client = Open(kafka.options());
  const std::vector<TopicPartition> asked = {{"orders", 0}, {"new", 0}};
  const auto before = Unwrap(ListBounds(*client, asked, {}));
  CHECK_FALSE(before[0].error);
  REQUIRE(before[1].error);
  CHECK(before[1].error->code() == ErrorCode::kNotFound);

  kafka.SetTopicError("new", 0);

  CHECK_FALSE(Unwrap(ListBounds(*client, asked, {}))[1].error);
}

TEST_CASE("kafka cluster: a partition without a leader does not affect the bounds of others") {
  MockCluster kafka;
  CreateFilled(kafka, "orders", {0, 4});
  kafka.SetLeader("orders", 0, -1);
  auto client = Open(kafka.options());

  const std::vector<TopicPartition> asked = {{"orders", 0}, {"orders", 1}};
  const auto bounds = Unwrap(ListBounds(*client, asked, {}));

  REQUIRE(bounds[0].error);
  CHECK(bounds[0].error->code() == ErrorCode::kUnavailable);
  CHECK_FALSE(bounds[1].error);
  CHECK(bounds[1].high == 4);
}

TEST_CASE("kafka cluster: an empty list has no bounds") {
  MockCluster kafka;
  auto client = Open(kafka.options());

  CHECK(Unwrap(ListBounds(*client, {}, {})).empty());
}

TEST_CASE("kafka client: a refused connection is in the error") {
  ClientOptions options{.bootstrap = {"127.0.0.1:1"}, .time_limit = std::chrono::milliseconds(300)};
  std::string log;
  auto client = Open(options, [&](LogLevel, std::string_view line) { log += line; });

  const auto cluster = DescribeCluster(*client, {});

  REQUIRE_FAILS(cluster, ErrorCode::kUnavailable,
                "kafka at \"127.0.0.1:1\": no answer within 300ms: ");
  REQUIRE_FAILS(cluster, ErrorCode::kUnavailable, "Connection refused");
  CHECK_THAT(log, Catch::Contains("Connection refused"));
}

TEST_CASE("kafka client: a host name that does not resolve is in the error") {
  ClientOptions options{.bootstrap = {UnknownHost() + ":9092"},
                        .time_limit = std::chrono::milliseconds(300)};
  auto client = Open(options);

  REQUIRE_FAILS(DescribeCluster(*client, {}), ErrorCode::kUnavailable, UnknownHost());
}

TEST_CASE("kafka client: a silent server is waited for up to the time limit") {
  LoopbackListener listener;
  ClientOptions options = Silent(listener);
  options.time_limit = std::chrono::milliseconds(300);
  auto client = Open(options);

  REQUIRE_FAILS(DescribeCluster(*client, {}), ErrorCode::kUnavailable, "kafka at ");
  const std::vector<ConfigOwner> owners = {{ConfigScope::kTopic, "orders"}};
  const auto configs = Unwrap(DescribeConfigs(*client, owners, {}));
  REQUIRE(configs[0].error);
  CHECK(configs[0].error->code() == ErrorCode::kTimedOut);
}

// Answers every connection with text, and closes it.
class NoTls {
 public:
  NoTls()
      : thread_([this] {
          for (;;) {
            const Fd peer(::accept(listener_.socket.get(), nullptr, nullptr));
            if (!peer.is_open()) return;
            char hello[16];
            (void)::recv(peer.get(), hello, sizeof hello, 0);
            (void)::send(peer.get(), "who is there?", 13, MSG_NOSIGNAL);
            (void)::shutdown(peer.get(), SHUT_WR);
            while (::recv(peer.get(), hello, sizeof hello, 0) > 0) continue;
          }
        }) {}
  ~NoTls() { ::shutdown(listener_.socket.get(), SHUT_RDWR); }
  ClientOptions options() const {
    ClientOptions options = Silent(listener_);
    options.properties = {{"security.protocol", "ssl"}};
    return options;
  }

 private:
  LoopbackListener listener_;
  std::jthread thread_;
};

TEST_CASE("kafka client: failed TLS ends a call at once") {
  NoTls server;
  auto client = Open(server.options());
  auto another = Open(server.options());
  const std::vector<ConfigOwner> owners = {{ConfigScope::kTopic, "orders"}};

  REQUIRE_FAILS(DescribeCluster(*client, {}), ErrorCode::kDenied, "wrong version number");
  REQUIRE_FAILS(DescribeConfigs(*another, owners, {}), ErrorCode::kDenied, "wrong version number");
}

TEST_CASE("kafka client: TLS to a plaintext listener is an error that says so") {
  MockCluster kafka;
  ClientOptions options = kafka.options();
  options.time_limit = std::chrono::milliseconds(300);
  options.properties = {{"security.protocol", "ssl"}};
  auto client = Open(options);

  const auto cluster = DescribeCluster(*client, {});

  REQUIRE_FAILS(cluster, ErrorCode::kUnavailable, "Disconnected");
  REQUIRE_FAILS(cluster, ErrorCode::kUnavailable, "`security.protocol`");
}

TEST_CASE("kafka client: a cluster that starts late is found") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  kafka.SetDown();
  auto client = Open(kafka.options());
  std::jthread starter([&] { kafka.SetUp(); });

  CHECK(Unwrap(DescribeCluster(*client, {})).topics.size() == 1);
}

TEST_CASE("kafka client: a stop ends a call at any time") {
  LoopbackListener listener;
  auto client = Open(Silent(listener));
  const std::vector<ConfigOwner> owners = {{ConfigScope::kTopic, "orders"}};
  std::stop_source stopped;
  stopped.request_stop();

  REQUIRE_FAILS(DescribeCluster(*client, stopped.get_token()), ErrorCode::kCancelled, "stopped");
  REQUIRE_FAILS(DescribeConfigs(*client, owners, stopped.get_token()), ErrorCode::kCancelled,
                "stopped");

  std::stop_source first;
  std::jthread stop_first([&] { first.request_stop(); });
  REQUIRE_FAILS(DescribeCluster(*client, first.get_token()), ErrorCode::kCancelled, "stopped");
  std::stop_source second;
  std::jthread stop_second([&] { second.request_stop(); });
  REQUIRE_FAILS(DescribeConfigs(*client, owners, second.get_token()), ErrorCode::kCancelled,
                "stopped");
}

}  // namespace
}  // namespace holdfast::rdkafka
