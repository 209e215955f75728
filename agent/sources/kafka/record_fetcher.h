// Reads ranges of partitions in order: a large range as a stream, and small ones several at once,
// because reading a small range is mostly waiting.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/kafka/record.h"
#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/kafka/reader.h"

namespace holdfast::kafka {

// Returns "partition 0 of topic "orders"", for messages.
std::string NameOf(const rdkafka::TopicPartition& partition);

struct RecordRange {
  rdkafka::TopicPartition partition;
  std::int32_t leader = -1;  // expected leader; -1: unknown
  std::int64_t from = 0;
  std::int64_t end = 0;  // exclusive
};

// Holds copies of records.
class RecordBuffer {
 public:
  void Add(const Record& record, std::int32_t leader_epoch);
  std::size_t bytes() const { return bytes_.size() + entries_.size() * sizeof(Entry); }
  std::size_t size() const { return entries_.size(); }
  // Valid until the buffer changes.
  Record at(std::size_t index) const;
  std::int32_t leader_epoch(std::size_t index) const { return entries_[index].leader_epoch; }

 private:
  struct Entry {
    Record record;  // without key, value and headers
    std::size_t at = 0;
    std::int64_t key_bytes = -1;
    std::int64_t value_bytes = -1;
    std::size_t headers = 0;
    std::size_t header_bytes = 0;
    std::int32_t leader_epoch = -1;
  };
  std::vector<Entry> entries_;
  Bytes bytes_;
};

// Converts an event; valid until the event or `headers` changes.
Result<Record> RecordOf(rdkafka::Reader& reader, const rdkafka::ReadEvent& event,
                        HeaderList& headers);

// Used by one thread at a time.
class RecordFetcher {
 public:
  // Limit for one range of FetchSmall(). A larger one must be read as a stream.
  static constexpr std::size_t kSmallBytesMax = 128U << 10;
  // Limit for all ranges of one FetchSmall(). A range that would exceed it must be read as a
  // stream, unless it is the only one.
  static constexpr std::size_t kAtOnceBytesMax = std::size_t{16} << 20;
  // The largest range, in offsets, worth passing to FetchSmall().
  static constexpr std::int64_t kSmallRange = 256;

  struct Limits {
    // A range fails if nothing arrives for `silence`, e.g. during a leader election. If its leader
    // was already silent for another range, it fails after `silence_again`, which must exceed the
    // time that librdkafka may need to reconnect.
    std::chrono::milliseconds silence{60'000};
    std::chrono::milliseconds silence_again{15'000};
    // After this much silence, ask the cluster whether the topic still exists.
    std::chrono::milliseconds ask_after{5'000};
  };

  using OpenReader = std::function<Result<std::unique_ptr<rdkafka::Reader>>()>;
  // As rdkafka::LookUpTopics().
  using LookUp =
      std::function<Result<std::vector<std::optional<Error>>>(std::span<const std::string> topics)>;
  RecordFetcher(OpenReader open, std::stop_token stop) : RecordFetcher(std::move(open), stop, {}) {}
  // Without `look_up`, a deleted topic is noticed only by silence.
  RecordFetcher(OpenReader open, std::stop_token stop, Limits limits, LookUp look_up = {});
  RecordFetcher(const RecordFetcher&) = delete;
  RecordFetcher& operator=(const RecordFetcher&) = delete;
  ~RecordFetcher();

  // The outcome of a small range: all of its records, or its error, or neither if it is too large.
  struct Fetched {
    RecordBuffer records;
    std::optional<Error> failure;
    bool is_whole = false;
  };
  // Fetches ranges of different partitions at once. Returns outcomes in the same order. Fails with
  // kCancelled or if a reader cannot be opened. REQUIRES: !is_streaming().
  Result<std::vector<Fetched>> FetchSmall(std::span<const RecordRange> ranges);

  // Starts to stream a range. REQUIRES: !is_streaming().
  Result<void> Begin(const RecordRange& range);
  // Returns the next record, valid until the next call; null at the end of the range. Errors end
  // the stream: kCancelled; kNotFound if the partition no longer has the next offset; kUnavailable
  // if the topic is gone, from then on also in Begin(); or as for ReadEvent::kFailed and
  // Reader::Next().
  Result<const Record*> Next();
  std::int32_t leader_epoch() const { return leader_epoch_; }  // of the last record; -1: unknown
  // Everything below this offset was returned or does not exist.
  std::int64_t position() const { return position_; }
  bool is_streaming() const { return is_streaming_; }
  void End();

 private:
  Result<void> NeedReader(const std::string& topic);
  std::chrono::milliseconds SilenceOf(std::int32_t leader) const;
  // Like Reader::Next(), but when nothing arrives, checks whether `topics` still exist. If one is
  // gone, returns the error of Reader::Next() early.
  using Topics = std::function<std::set<std::string>()>;
  Result<std::span<const rdkafka::ReadEvent>> Wait(std::chrono::milliseconds silence,
                                                   const Topics& topics);
  bool FindGone(const std::set<std::string>& topics);
  std::optional<Error> WhyGone(const rdkafka::TopicPartition& partition) const;
  // `held` is the total size of all ranges.
  Result<void> TakeSmall(const rdkafka::ReadEvent& event, const RecordRange& range, Fetched& into,
                         std::size_t& held, bool& is_done);

  const OpenReader open_;
  const std::stop_token stop_;
  const Limits limits_;
  const LookUp look_up_;
  std::set<std::string> gone_;  // topics
  std::unique_ptr<rdkafka::Reader> reader_;
  std::set<std::string> topics_;  // topics that reader_ has read
  std::set<std::int32_t> silent_leaders_;

  HeaderList headers_;
  Record record_;
  RecordRange range_;
  bool is_streaming_ = false;
  std::int64_t position_ = 0;
  std::int32_t leader_epoch_ = -1;
  std::span<const rdkafka::ReadEvent> events_;  // of the stream, not processed yet
};

}  // namespace holdfast::kafka
