// librdkafka's mock brokers in this process. They know topics, records and committed offsets, and
// fail on request.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "common/kafka/client.h"
#include "common/kafka/writer.h"

namespace holdfast::rdkafka::testing {

// Kafka's API keys.
enum class Api : std::int16_t {
  kProduce = 0,
  kFetch = 1,
  kListOffsets = 2,
  kMetadata = 3,
  kOffsetCommit = 8,
  kOffsetFetch = 9,
  kFindCoordinator = 10,
  kInitProducerId = 22
};

class MockCluster {
 public:
  explicit MockCluster(int brokers = 1);
  ~MockCluster();
  // The time limit is one that only a hanging test meets.
  ClientOptions options() const;
  void CreateTopic(const std::string& name, int partitions, int replicas = 1);
  // The next requests of this API fail, one with each code.
  void FailNext(Api api, std::initializer_list<int> codes);
  void SetLeader(const std::string& topic, std::int32_t partition, std::int32_t broker);
  // The error of metadata requests for the topic, an rd_kafka_resp_err_t. A topic that does not
  // exist is created without partitions: real brokers report none with an error, and librdkafka
  // before 2.10 crashes if the mock brokers do (its issue 4907).
  void SetTopicError(const std::string& topic, int code);
  void SetDown(std::int32_t broker = -1);  // -1: all
  void SetUp();
  // The delay of each answer.
  void SetAnswerTime(int milliseconds);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The content of a record as text; "-" is null.
struct Content {
  std::string key = "-";
  std::string value = "-";
  std::int64_t timestamp_ms = 1'000;
};

// Writes the records, and returns when all are delivered.
void WriteAll(const ClientOptions& options, const TopicPartition& partition,
              const std::vector<Content>& records);
// Writes `count` records with the values "0", "1", ...
void WriteNumbers(const ClientOptions& options, const TopicPartition& partition, int count);
// Creates a topic with one partition for each count, and writes that many numbers to it.
void CreateFilled(MockCluster& kafka, const std::string& topic, const std::vector<int>& counts);

}  // namespace holdfast::rdkafka::testing
