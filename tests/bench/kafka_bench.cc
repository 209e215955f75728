// Plain librdkafka loops, which scripts/bench kafka compares the Kafka source with.
//
//   kafka_bench consume BOOTSTRAP TOPIC
//       reads all of partition 0
//   kafka_bench produce BOOTSTRAP TOPIC RECORDS BYTES RANDOM CODEC
//       writes it with an idempotent producer: RECORDS records of BYTES bytes, RANDOM of which are
//       incompressible
//   kafka_bench version
//       prints librdkafka's version
//
// The first two print the number of records.
#include <librdkafka/rdkafka.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "tests/bench/content.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

constexpr int kPollMilliseconds = 10;  // waits for a full batch for that long
constexpr std::size_t kBatchRecords = 4096;

[[noreturn]] void Die(std::string_view message) {
  fmt::print(stderr, "kafka_bench: {}\n", message);
  std::exit(2);
}

rd_kafka_t* Open(rd_kafka_type_t type,
                 const std::vector<std::pair<std::string, std::string>>& properties,
                 void (*on_delivery)(rd_kafka_t*, const rd_kafka_message_t*, void*) = nullptr) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  std::array<char, 512> why{};
  for (const auto& [name, value] : properties)
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) !=
        RD_KAFKA_CONF_OK)
      Die(why.data());
  if (on_delivery != nullptr) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_t* handle = rd_kafka_new(type, conf, why.data(), why.size());
  if (handle == nullptr) Die(why.data());
  return handle;
}

void Consume(const std::string& bootstrap, const std::string& name) {
  rd_kafka_t* handle =
      Open(RD_KAFKA_CONSUMER, {{"bootstrap.servers", bootstrap},
                               {"enable.partition.eof", "true"},
                               {"auto.offset.reset", "error"},
                               {"fetch.wait.max.ms", "20"},  // how late the end is reported
                               {"queued.min.messages", "1000000"},
                               {"queued.max.messages.kbytes", "65536"},
                               // A full queue is refilled soon, not a second later.
                               {"topic.metadata.refresh.interval.ms", "20"}});
  rd_kafka_topic_t* topic = rd_kafka_topic_new(handle, name.c_str(), nullptr);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(handle);
  if (rd_kafka_consume_start_queue(topic, 0, RD_KAFKA_OFFSET_BEGINNING, queue) != 0)
    Die(rd_kafka_err2str(rd_kafka_last_error()));
  std::vector<rd_kafka_message_t*> batch(kBatchRecords);
  std::uint64_t records = 0;
  for (bool is_at_end = false; !is_at_end;) {
    const ssize_t count =
        rd_kafka_consume_batch_queue(queue, kPollMilliseconds, batch.data(), batch.size());
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = batch[static_cast<std::size_t>(i)];
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        is_at_end = true;
      else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        Die(rd_kafka_message_errstr(message));
      else
        ++records;
      rd_kafka_message_destroy(message);
    }
  }
  rd_kafka_consume_stop(topic, 0);
  rd_kafka_queue_destroy(queue);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(handle);
  fmt::print("{}\n", records);
}

struct Load {
  std::uint64_t records = 0;
  std::size_t bytes = 0;
  std::size_t random_bytes = 0;
  std::string codec;
};

void Produce(const std::string& bootstrap, const std::string& name, const Load& load) {
  if (load.random_bytes > load.bytes) Die("more bytes that do not compress than there are");
  rd_kafka_t* handle = Open(RD_KAFKA_PRODUCER,
                            {{"bootstrap.servers", bootstrap},
                             {"enable.idempotence", "true"},
                             {"compression.codec", load.codec},
                             {"linger.ms", "50"},
                             {"batch.size", "1000000"}},
                            [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
                              if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
                                Die(rd_kafka_err2str(message->err));
                            });
  rd_kafka_topic_t* topic = rd_kafka_topic_new(handle, name.c_str(), nullptr);
  // Generating content is not measured, so a few values are repeated.
  const std::size_t kinds = 4096;
  std::string content;
  testing::SeededRandom random(1);
  for (std::size_t i = 0; i < kinds; ++i) {
    bench::AppendRandom(random, load.random_bytes, content);
    bench::AppendLog(random, load.bytes - load.random_bytes, content);
  }
  for (std::uint64_t i = 0; i < load.records; ++i) {
    char* value = content.data() + i % kinds * load.bytes;
    while (rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, value, load.bytes, nullptr, 0,
                            nullptr) != 0) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
        Die(rd_kafka_err2str(rd_kafka_last_error()));
      rd_kafka_poll(handle, kPollMilliseconds);
    }
    rd_kafka_poll(handle, 0);
  }
  rd_kafka_flush(handle, -1);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(handle);
  fmt::print("{}\n", load.records);
}

std::uint64_t Number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size())
    Die(fmt::format("\"{}\" is not a number", text));
  return number;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  using namespace holdfast;
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 3 && words[0] == "consume") {
    Consume(words[1], words[2]);
  } else if (words.size() == 7 && words[0] == "produce") {
    Produce(words[1], words[2],
            {.records = Number(words[3]),
             .bytes = Number(words[4]),
             .random_bytes = Number(words[5]),
             .codec = words[6]});
  } else if (words.size() == 1 && words[0] == "version") {
    fmt::print("{}\n", rd_kafka_version_str());
  } else {
    Die("want: consume BOOTSTRAP TOPIC | produce BOOTSTRAP TOPIC RECORDS BYTES RANDOM CODEC | "
        "version");
  }
  return 0;
}
