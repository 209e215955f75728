// Brokers in this process, librdkafka's own: they know topics, records and committed offsets, and
// fail as they are told to.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "common/kafka/client.h"
#include "common/kafka/writer.h"

namespace holdfast::rdkafka::testing {

// Kafka's numbers of requests.
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
  // With a time limit that a test which hangs would meet.
  ClientOptions options() const;
  void CreateTopic(const std::string& name, int partitions, int replicas = 1);
  // The next requests of the kind fail, each with one of the codes.
  void FailNext(Api api, std::initializer_list<int> codes);
  void SetLeader(const std::string& topic, std::int32_t partition, std::int32_t broker);
  // What asking for the topic is answered with, an rd_kafka_resp_err_t.
  void SetTopicError(const std::string& topic, int code);
  void SetDown(std::int32_t broker = -1);  // or all
  void SetUp();
  // How long each answer takes.
  void SetAnswerTime(int milliseconds);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What a record holds, as text; "-" is null.
struct Content {
  std::string key = "-";
  std::string value = "-";
  std::int64_t timestamp_ms = 1'000;
};

// Writes them, and all are there on return.
void WriteAll(const ClientOptions& options, const TopicPartition& partition,
              const std::vector<Content>& records);
// So many with the values "0", "1", ...
void WriteNumbers(const ClientOptions& options, const TopicPartition& partition, int count);

}  // namespace holdfast::rdkafka::testing
