#include "tests/unit/kafka/mock_cluster.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <sstream>
#include <thread>

#include "common/base/bytes.h"
#include "tests/support/results.h"

namespace holdfast::rdkafka::testing {

using holdfast::testing::Unwrap;

struct MockCluster::Impl {
  rd_kafka_t* kafka = nullptr;
  rd_kafka_mock_cluster_t* cluster = nullptr;
};

MockCluster::MockCluster(int brokers) : impl_(std::make_unique<Impl>()) {
  rd_kafka_conf_t* config = rd_kafka_conf_new();
  REQUIRE(rd_kafka_conf_set(config, "log_level", "0", nullptr, 0) == RD_KAFKA_CONF_OK);
  impl_->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, config, nullptr, 0);
  REQUIRE(impl_->kafka != nullptr);
  impl_->cluster = rd_kafka_mock_cluster_new(impl_->kafka, brokers);
  REQUIRE(impl_->cluster != nullptr);
}

MockCluster::~MockCluster() {
  // Destroying a mock cluster takes up to a second. Only the end of the program waits for it.
  static std::vector<std::jthread> ending;
  ending.emplace_back([impl = std::move(impl_)] {
    rd_kafka_mock_cluster_destroy(impl->cluster);
    rd_kafka_destroy(impl->kafka);
  });
}

ClientOptions MockCluster::options() const {
  ClientOptions options{.bootstrap = {}, .time_limit = std::chrono::minutes(2)};
  std::istringstream brokers(rd_kafka_mock_cluster_bootstraps(impl_->cluster));
  for (std::string broker; std::getline(brokers, broker, ',');) options.bootstrap.push_back(broker);
  return options;
}

void MockCluster::CreateTopic(const std::string& name, int partitions, int replicas) {
  REQUIRE(rd_kafka_mock_topic_create(impl_->cluster, name.c_str(), partitions, replicas) ==
          RD_KAFKA_RESP_ERR_NO_ERROR);
}

void MockCluster::FailNext(Api api, std::initializer_list<int> codes) {
  std::vector<rd_kafka_resp_err_t> errors;
  for (int code : codes) errors.push_back(static_cast<rd_kafka_resp_err_t>(code));
  rd_kafka_mock_push_request_errors_array(impl_->cluster, static_cast<std::int16_t>(api),
                                          errors.size(), errors.data());
}

void MockCluster::SetLeader(const std::string& topic, std::int32_t partition, std::int32_t broker) {
  REQUIRE(rd_kafka_mock_partition_set_leader(impl_->cluster, topic.c_str(), partition, broker) ==
          RD_KAFKA_RESP_ERR_NO_ERROR);
}

void MockCluster::SetTopicError(const std::string& topic, int code) {
  (void)rd_kafka_mock_topic_create(impl_->cluster, topic.c_str(), 0, 1);  // fails if it exists
  rd_kafka_mock_topic_set_error(impl_->cluster, topic.c_str(),
                                static_cast<rd_kafka_resp_err_t>(code));
}

// Also called on test threads, where Catch2 cannot be used.
void MockCluster::SetDown(std::int32_t broker) {
  HF_CHECK(rd_kafka_mock_broker_set_down(impl_->cluster, broker) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

void MockCluster::SetUp() {
  HF_CHECK(rd_kafka_mock_broker_set_up(impl_->cluster, -1) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

void MockCluster::SetAnswerTime(int milliseconds) {
  REQUIRE(rd_kafka_mock_broker_set_rtt(impl_->cluster, -1, milliseconds) ==
          RD_KAFKA_RESP_ERR_NO_ERROR);
}

void WriteAll(const ClientOptions& options, const TopicPartition& partition,
              const std::vector<Content>& records) {
  std::size_t delivered = 0;
  auto writer = Unwrap(Writer::Open(options, {.linger = std::chrono::milliseconds(0)},
                                    [&](const Delivery& delivery) {
                                      REQUIRE_FALSE(delivery.error);
                                      ++delivered;
                                    }));
  const auto bytes = [](const std::string& text) {
    return text == "-" ? std::nullopt : std::optional<ByteView>(AsBytes(text));
  };
  for (const Content& record : records) {
    REQUIRE_OK(writer->Write({.topic = partition.topic,
                              .partition = partition.partition,
                              .timestamp_ms = record.timestamp_ms,
                              .key = bytes(record.key),
                              .value = bytes(record.value)},
                             {}));
  }
  REQUIRE_OK(writer->Flush({}));
  REQUIRE(delivered == records.size());
}

void WriteNumbers(const ClientOptions& options, const TopicPartition& partition, int count) {
  std::vector<Content> records;
  for (int i = 0; i < count; ++i) records.push_back({.value = std::to_string(i)});
  WriteAll(options, partition, records);
}

void CreateFilled(MockCluster& kafka, const std::string& topic, const std::vector<int>& counts) {
  kafka.CreateTopic(topic, static_cast<int>(counts.size()));
  std::int32_t partition = 0;
  for (const int count : counts) {
    if (count > 0) WriteNumbers(kafka.options(), {topic, partition}, count);
    ++partition;
  }
}

}  // namespace holdfast::rdkafka::testing
