// Records of ranges of partitions, in order: a large range as a stream, small ones several at once,
// since each alone would be little but waiting.
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

// "partition 0 of topic "orders"": for messages.
std::string NameOf(const rdkafka::TopicPartition& partition);

struct RecordRange {
  rdkafka::TopicPartition partition;
  std::int32_t leader = -1;  // whom to ask, as far as is known
  std::int64_t from = 0;
  std::int64_t end = 0;  // behind the last that is wanted
};

// Records that were copied, one after the other.
class RecordBuffer {
 public:
  void Add(const Record& record, std::int32_t leader_epoch);
  std::size_t bytes() const { return bytes_.size() + entries_.size() * sizeof(Entry); }
  std::size_t size() const { return entries_.size(); }
  // Valid until the buffer is changed.
  Record at(std::size_t index) const;
  std::int32_t leader_epoch(std::size_t index) const { return entries_[index].leader_epoch; }

 private:
  struct Entry {
    Record record;  // without content
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

// What the reader gave, valid as long as that and until `headers` are changed.
Result<Record> RecordOf(rdkafka::Reader& reader, const rdkafka::ReadEvent& event,
                        HeaderList& headers);

// One thread at a time.
class RecordFetcher {
 public:
  // Of a range that is read at once with others: more than that is read as a stream instead.
  static constexpr std::size_t kSmallBytesMax = 128U << 10;
  // Of all ranges that are read at once: a record with which they came to more is left to a stream,
  // unless it is the only one.
  static constexpr std::size_t kAtOnceBytesMax = std::size_t{16} << 20;
  // Offsets, of a range that is worth trying.
  static constexpr std::int64_t kSmallRange = 256;

  struct Limits {
    // How long nothing may come before a range fails, e.g. while another leader is elected; and
    // before another one of the same leader does, when that one has kept silent already: longer
    // than librdkafka may take to connect again.
    std::chrono::milliseconds silence{60'000};
    std::chrono::milliseconds silence_again{15'000};
    // After so much of it the cluster is asked whether it still has the topic.
    std::chrono::milliseconds ask_after{5'000};
  };

  using OpenReader = std::function<Result<std::unique_ptr<rdkafka::Reader>>()>;
  // As rdkafka::LookUpTopics().
  using LookUp =
      std::function<Result<std::vector<std::optional<Error>>>(std::span<const std::string> topics)>;
  RecordFetcher(OpenReader open, std::stop_token stop) : RecordFetcher(std::move(open), stop, {}) {}
  // Without `look_up` silence is all that a topic which is gone is known by.
  RecordFetcher(OpenReader open, std::stop_token stop, Limits limits, LookUp look_up = {});
  RecordFetcher(const RecordFetcher&) = delete;
  RecordFetcher& operator=(const RecordFetcher&) = delete;
  ~RecordFetcher();

  // What became of a small range: all of its records, or the error that ended it; or neither, when
  // it is too large.
  struct Fetched {
    RecordBuffer records;
    std::optional<Error> failure;
    bool is_whole = false;
  };
  // In the order of `ranges`, which are of different partitions. kCancelled, or the error of
  // opening a reader. REQUIRES: no stream is under way.
  Result<std::vector<Fetched>> FetchSmall(std::span<const RecordRange> ranges);

  // Begins the stream of a range. REQUIRES: none is under way.
  Result<void> Begin(const RecordRange& range);
  // The next record, null at the range's end; valid until the next call. Errors end the stream:
  // kCancelled; kNotFound where the partition does not have the next offset any more; kUnavailable
  // where the topic is gone, which Begin() says from then on; others as rdkafka::ReadEvent::kFailed
  // and Reader::Next() have them.
  Result<const Record*> Next();
  std::int32_t leader_epoch() const { return leader_epoch_; }  // of the last record, -1: not known
  // Everything below was given, or is not there.
  std::int64_t position() const { return position_; }
  bool is_streaming() const { return is_streaming_; }
  void End();

 private:
  Result<void> NeedReader(const std::string& topic);
  std::chrono::milliseconds SilenceOf(std::int32_t leader) const;
  // Reader::Next(), which looks after `topics` when nothing comes. Ends early, with the error of
  // Reader::Next(), when one of them is found to be gone.
  using Topics = std::function<std::set<std::string>()>;
  Result<std::span<const rdkafka::ReadEvent>> Wait(std::chrono::milliseconds silence,
                                                   const Topics& topics);
  bool FindGone(const std::set<std::string>& topics);
  std::optional<Error> WhyGone(const rdkafka::TopicPartition& partition) const;
  // `held`: the bytes that all ranges have.
  Result<void> TakeSmall(const rdkafka::ReadEvent& event, const RecordRange& range, Fetched& into,
                         std::size_t& held, bool& is_done);

  const OpenReader open_;
  const std::stop_token stop_;
  const Limits limits_;
  const LookUp look_up_;
  std::set<std::string> gone_;  // topics
  std::unique_ptr<rdkafka::Reader> reader_;
  std::set<std::string> topics_;  // that reader_ has read
  std::set<std::int32_t> silent_leaders_;

  HeaderList headers_;
  Record record_;
  RecordRange range_;
  bool is_streaming_ = false;
  std::int64_t position_ = 0;
  std::int32_t leader_epoch_ = -1;
  std::span<const rdkafka::ReadEvent> events_;  // of the stream, not looked at yet
};

}  // namespace holdfast::kafka
