// Reads records of partitions from given offsets without a consumer group: it commits nothing,
// creates no group in the cluster, and needs no rights on groups.
//
// Reads only committed data: records of open and aborted transactions and control records are
// skipped. So offsets have gaps, and a partition may end long before or after its last record. A
// caller that reads up to an end E, returned by ListBounds() as `last_stable`, is done with a
// partition
//   - at a record whose offset is E - 1,
//   - at a record whose offset is E or more, which is outside the range, or
//   - at ReadEvent::kEnd with an offset of E or more.
// Every partition reaches one of these, or kFailed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/kafka/client.h"

struct rd_kafka_message_s;

namespace holdfast::rdkafka {

struct ReaderOptions {
  // How much is prefetched for Next(). In addition, memory holds the current batch and one fetch in
  // flight per broker: a quarter of this, uncompressed.
  std::size_t ahead_bytes = 32U << 20;
  std::size_t batch_records_max = 4096;
  // Also returns records of open and aborted transactions.
  bool uncommitted = false;
};

enum class TimestampType : std::uint8_t { kNone, kCreateTime, kLogAppendTime };

struct RecordHeader {
  std::string_view name;  // up to the first NUL; librdkafka gives no length
  std::optional<ByteView> value;
};

// An event of a partition. Views are valid until the reader's next call.
struct ReadEvent {
  enum class Kind : std::uint8_t {
    kRecord,
    // All records below `offset` were returned, and there were no more. Repeated when the partition
    // has grown and was read to the end again.
    kEnd,
    // Reading of the partition has ended, and records after the last one returned may be missing.
    // `failure` is the reason: kNotFound if the partition does not have the offset (any more),
    // kDenied, kCorrupt for a wrong checksum.
    kFailed,
  };
  Kind kind = Kind::kRecord;
  std::uint64_t tag = 0;  // from Start()
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = -1;
  TimestampType timestamp_type = TimestampType::kNone;
  std::int32_t leader_epoch = -1;  // -1: not known
  std::optional<ByteView> key;     // nullopt is null, which differs from empty
  std::optional<ByteView> value;
  const Error* failure = nullptr;         // for kFailed
  rd_kafka_message_s* message = nullptr;  // for kRecord; internal
};

// Use one reader for a few hundred topics at most: librdkafka 2.0 and 2.1 ask fifty times a second
// for the leaders of all topics that a reader has ever read.
class Reader {
 public:
  // As Client::Open().
  static Result<std::unique_ptr<Reader>> Open(ClientOptions client, ReaderOptions options,
                                              LogObserver observer = {});
  virtual ~Reader() = default;

  // Starts to read a partition at `offset`. Its events carry `tag`. REQUIRES: the partition is not
  // being read, offset >= 0.
  virtual Result<void> Start(const TopicPartition& partition, std::int64_t offset,
                             std::uint64_t tag) = 0;
  // Drops what was fetched but not returned. Not needed after kFailed, but allowed. REQUIRES: the
  // events of Next() are no longer in use.
  virtual void Stop(const TopicPartition& partition) = 0;
  // Returns at least one event; each partition's events are in order. Waits up to `limit` for the
  // first one, then fails with kTimedOut or kUnavailable and what librdkafka reported; the
  // partitions are still being read. A partition without a leader gives no events, nor does one of
  // a topic that this user may not describe. REQUIRES: a partition is being read.
  virtual Result<std::span<const ReadEvent>> Next(std::chrono::milliseconds limit,
                                                  const std::stop_token& stop) = 0;
  // The headers of a record from the last Next(), in order; names may repeat. Valid as long as the
  // record, or until the next Headers(). kCorrupt if they cannot be read.
  virtual Result<std::span<const RecordHeader>> Headers(const ReadEvent& record) = 0;
};

}  // namespace holdfast::rdkafka
