#include "common/kafka/writer.h"

#include <librdkafka/rdkafka.h>

#include <map>
#include <thread>

#include "common/kafka/cluster.h"
#include "tests/support/results.h"
#include "tests/unit/kafka/mock_cluster.h"

namespace holdfast::rdkafka {
namespace {

using holdfast::testing::Unwrap;
using testing::Api;
using testing::MockCluster;

// A writer and its deliveries.
struct Written {
  explicit Written(const MockCluster& kafka, WriterOptions options = {},
                   std::chrono::milliseconds linger = {}) {
    options.linger = linger;
    writer = Unwrap(Writer::Open(kafka.options(), options, [this](const Delivery& delivery) {
      deliveries.push_back(delivery);
      if (delivery.error) errors[delivery.tag] = ErrorCodeName(delivery.error->code());
      if (delivery.offset) offsets[delivery.partition].push_back(*delivery.offset);
    }));
  }
  Result<void> Write(std::uint64_t tag, std::int32_t partition = 0, std::string_view value = "v") {
    return writer->Write(
        {.topic = "orders", .partition = partition, .value = AsBytes(value), .tag = tag}, {});
  }

  std::vector<Delivery> deliveries;
  std::map<std::uint64_t, std::string> errors;
  std::map<std::int32_t, std::vector<std::int64_t>> offsets;
  std::unique_ptr<Writer> writer;
};

TEST_CASE("kafka writer: deliveries have offsets, in each partition's order") {
  MockCluster kafka(2);
  kafka.CreateTopic("orders", 2);
  Written written(kafka);

  for (std::uint64_t i = 0; i < 10; ++i) REQUIRE_OK(written.Write(i, i % 2));
  REQUIRE_OK(written.writer->Flush({}));

  CHECK(written.writer->pending() == 0);
  REQUIRE(written.deliveries.size() == 10);
  CHECK(written.offsets[0] == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  CHECK(written.offsets[1] == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  std::map<std::int32_t, std::uint64_t> last;
  for (const Delivery& delivery : written.deliveries) {
    CHECK(delivery.tag % 2 == static_cast<std::uint64_t>(delivery.partition));
    CHECK(delivery.tag >= last[delivery.partition]);
    last[delivery.partition] = delivery.tag;
  }
}

TEST_CASE("kafka writer: a timestamp of 0 is refused rather than changed") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  Written written(kafka);

  REQUIRE_FAILS(written.writer->Write({.topic = "orders", .timestamp_ms = 0}, {}),
                ErrorCode::kUnsupported, "timestamp of 0");
  CHECK(written.writer->pending() == 0);
}

TEST_CASE("kafka writer: the buffer bounds undelivered records") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  Written written(kafka, {.buffer_bytes = 64U << 10});
  const std::string key(10'000, 'k');  // librdkafka itself does not count keys

  for (std::uint64_t i = 0; i < 300; ++i) {
    REQUIRE_OK(written.writer->Write({.topic = "orders", .key = AsBytes(key), .tag = i}, {}));
    CHECK(written.writer->pending() <= 6);
  }
  REQUIRE_OK(written.writer->Flush({}));

  CHECK(written.offsets[0].size() == 300);
}

TEST_CASE("kafka writer: a record larger than the buffer is written alone") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  Written written(kafka, {.buffer_bytes = 1024, .record_bytes_max = 3U << 20});

  const std::string large(2U << 20, 'v');
  REQUIRE_OK(written.Write(1, 0, large));
  REQUIRE_OK(written.Write(2, 0, large));
  CHECK(written.writer->pending() <= 1);
  REQUIRE_OK(written.writer->Flush({}));

  CHECK(written.offsets[0] == std::vector<std::int64_t>{0, 1});
}

TEST_CASE("kafka writer: a record over the size limit is refused") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  Written written(kafka);

  REQUIRE_FAILS(written.Write(1, 0, std::string(2U << 20, 'v')), ErrorCode::kInvalidArgument,
                "partition 0 of topic \"orders\"");
  REQUIRE_OK(written.Write(2));
  REQUIRE_OK(written.writer->Flush({}));
  CHECK(written.offsets[0] == std::vector<std::int64_t>{0});
}

TEST_CASE("kafka writer: a batch refused by the broker fails each of its records") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  Written written(kafka, {}, std::chrono::milliseconds(50));
  kafka.FailNext(Api::kProduce, {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP});

  REQUIRE_OK(written.Write(1));
  REQUIRE_OK(written.writer->Flush({}));
  REQUIRE_OK(written.Write(2));
  REQUIRE_OK(written.writer->Flush({}));

  CHECK(written.errors == std::map<std::uint64_t, std::string>{{1, "invalid_argument"}});
  CHECK_THAT(written.deliveries[0].error->hint(), Catch::Contains("message.timestamp"));
  CHECK(written.offsets[0] == std::vector<std::int64_t>{0});
}

TEST_CASE("kafka writer: transient errors are retried, and each record is written once") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  Written written(kafka);
  kafka.FailNext(Api::kProduce, {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                 RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION});

  for (std::uint64_t i = 0; i < 20; ++i) REQUIRE_OK(written.Write(i));
  REQUIRE_OK(written.writer->Flush({}));

  CHECK(written.errors.empty());
  auto client = Unwrap(Client::Open(kafka.options()));
  const std::vector<TopicPartition> asked = {{"orders", 0}};
  CHECK(Unwrap(ListBounds(*client, asked, {}))[0].high == 20);
}

TEST_CASE("kafka writer: after a denied write every later call fails") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  kafka.FailNext(Api::kInitProducerId, {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED});
  Written written(kafka);

  REQUIRE_OK(written.Write(1));
  REQUIRE_OK(written.writer->Flush({}));

  CHECK(written.errors == std::map<std::uint64_t, std::string>{{1, "denied"}});
  REQUIRE_FAILS(written.Write(2), ErrorCode::kDenied, "Cluster authorization failed");
  REQUIRE_FAILS(written.Write(2), ErrorCode::kDenied, "allow this user WRITE");
}

TEST_CASE("kafka writer: an unknown partition is not found") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  Written written(kafka);
  REQUIRE_OK(written.Write(1));
  REQUIRE_OK(written.writer->Flush({}));

  REQUIRE_FAILS(written.Write(2, 5), ErrorCode::kNotFound, "partition 5 of topic \"orders\"");
  // librdkafka does not take the headers of a record that it refuses.
  const std::vector<NewRecord::Header> headers = {{"a", AsBytes("1")}};
  REQUIRE_FAILS(written.writer->Write({.topic = "orders", .partition = 5, .headers = headers}, {}),
                ErrorCode::kNotFound, "partition 5");
}

TEST_CASE("kafka writer: a record not delivered in time fails with the reason") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  kafka.SetDown();
  Written written(kafka, {.delivery_limit = std::chrono::milliseconds(1'000)});

  REQUIRE_OK(written.Write(1));
  REQUIRE_OK(written.writer->Flush({}));

  REQUIRE(written.errors.size() == 1);
  CHECK_THAT(written.deliveries[0].error->message(), Catch::Contains("kafka at "));
}

TEST_CASE("kafka writer: a stop ends the wait, and pending records are dropped with the writer") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  kafka.SetDown();
  Written written(kafka, {.buffer_bytes = 1024});
  REQUIRE_OK(written.Write(1));

  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  REQUIRE_FAILS(written.writer->Flush(stop.get_token()), ErrorCode::kCancelled, "stopped");
  const std::string large(2048, 'v');
  REQUIRE_FAILS(
      written.writer->Write({.topic = "orders", .value = AsBytes(large)}, stop.get_token()),
      ErrorCode::kCancelled, "stopped");
  written.writer.reset();
  CHECK(written.deliveries.empty());
}

TEST_CASE("kafka writer: an unknown compression is refused at open") {
  MockCluster kafka;

  REQUIRE_FAILS(Writer::Open(kafka.options(), {.compression = "best"}, {}),
                ErrorCode::kInvalidArgument, "compression.codec");
}

}  // namespace
}  // namespace holdfast::rdkafka
