// Records of partitions, read from given offsets without a consumer group: nothing is committed, no
// group appears in the cluster, and no right to groups is needed.
//
// Reads what is committed: records of open and aborted transactions and control records are not
// given, so offsets have gaps, and a partition may end long before or after its last record.
// Whoever reads up to an end E that ListBounds() gave as `last_stable` is done with a partition
//   - at a record whose offset is E - 1,
//   - at a record whose offset is E or more, which is not his any more, or
//   - at ReadEvent::kEnd with an offset of E or more.
// Every partition comes to one of these, or to kFailed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/kafka/client.h"

struct rd_kafka_message_s;

namespace holdfast::rdkafka {

struct ReaderOptions {
  // What is fetched ahead of Next(). Beyond it comes what a batch keeps, and of each broker one
  // fetch that was under way: a quarter of it, unpacked.
  std::size_t ahead_bytes = 32U << 20;
  std::size_t batch_records_max = 4096;
  // Gives what open and aborted transactions wrote, too.
  bool uncommitted = false;
};

enum class TimestampType : std::uint8_t { kNone, kCreateTime, kLogAppendTime };

struct RecordHeader {
  std::string_view name;  // up to its first NUL character: librdkafka tells no more
  std::optional<ByteView> value;
};

// What happened to a partition. Views are valid until the reader's next call.
struct ReadEvent {
  enum class Kind : std::uint8_t {
    kRecord,
    // All records below `offset` were given, and there were no more. Comes again when the partition
    // has grown and was read to its end once more.
    kEnd,
    // Nothing more comes of the partition, and something may be missing between what came last and
    // what it has: `failure` says why. kNotFound when it does not have the offset (any more);
    // kDenied; kCorrupt for what does not fit its checksum.
    kFailed,
  };
  Kind kind = Kind::kRecord;
  std::uint64_t tag = 0;  // of Start()
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = -1;
  TimestampType timestamp_type = TimestampType::kNone;
  std::int32_t leader_epoch = -1;  // -1: not known
  std::optional<ByteView> key;     // nullopt is null, which differs from empty
  std::optional<ByteView> value;
  const Error* failure = nullptr;         // of kFailed
  rd_kafka_message_s* message = nullptr;  // of kRecord, for the reader
};

// One for some hundred topics at most, another one for the next: librdkafka 2.0 and 2.1 ask fifty
// times a second for the leaders of all topics that the same reader has ever read.
class Reader {
 public:
  // As Client::Open().
  static Result<std::unique_ptr<Reader>> Open(ClientOptions client, ReaderOptions options,
                                              LogObserver observer = {});
  virtual ~Reader() = default;

  // Begins to read a partition at `offset`, among those under way. `tag` comes back with what is
  // read of it. REQUIRES: the partition is not under way, offset >= 0.
  virtual Result<void> Start(const TopicPartition& partition, std::int64_t offset,
                             std::uint64_t tag) = 0;
  // What was fetched and not given yet is dropped. One that has failed is stopped already, and need
  // not be. REQUIRES: not while the events of Next() are still looked at.
  virtual void Stop(const TopicPartition& partition) = 0;
  // What happened, in each partition's order: at least one event. Waits for it up to `limit`; then
  // kTimedOut or kUnavailable with what librdkafka told meanwhile, and the partitions are under way
  // as before. A partition without a leader gives no event, nor does one of a topic that this user
  // may not describe.
  // REQUIRES: a partition is under way.
  virtual Result<std::span<const ReadEvent>> Next(std::chrono::milliseconds limit,
                                                  const std::stop_token& stop) = 0;
  // The headers of a record of the last Next(), in their order, with names that repeat. Valid as
  // long as it, or until the next call of this. kCorrupt when they cannot be read.
  virtual Result<std::span<const RecordHeader>> Headers(const ReadEvent& record) = 0;
};

}  // namespace holdfast::rdkafka
