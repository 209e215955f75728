// Reads partitions back on its own thread while they are still being written. Recent records are in
// the brokers' memory, so little is left to read at the end. One other thread makes all calls.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "agent/sources/kafka/record_fetcher.h"
#include "agent/sources/kafka/record_run.h"
#include "agent/sources/kafka/stored_records.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/kafka/reader.h"

namespace holdfast::kafka {

class ReadBack {
 public:
  // `silence`: how long to wait for a record that is known to exist.
  ReadBack(RecordFetcher::OpenReader open, const Clock& clock,
           std::chrono::milliseconds silence = std::chrono::minutes(5));
  ReadBack(const ReadBack&) = delete;
  ReadBack& operator=(const ReadBack&) = delete;
  // Abandons what was not read yet.
  ~ReadBack();

  // Announces that `partition` will have contiguous records from `offset` on. The first one has
  // `place` in the order of PlaceTally. Returns the id for End().
  std::uint64_t Begin(const rdkafka::TopicPartition& partition, std::int64_t offset,
                      std::uint64_t place);
  // Announces that all records are written, and what they are.
  void End(std::uint64_t id, const RecordRun& written);
  // The first failure so far: kCorrupt if the records differ from the written ones, or a read
  // error.
  std::optional<Error> failure() const;
  // Waits until everything announced was read. REQUIRES: End() was called for every Begin().
  Result<void> Finish(const std::stop_token& stop);

 private:
  struct Task {
    std::uint64_t id = 0;
    rdkafka::TopicPartition partition;
    std::int64_t begin = 0;
    std::uint64_t place = 0;
  };
  struct Reading {
    Task task;
    PlaceTally tally;
    std::int64_t offset = 0;  // expected next
    Instant silent_since;
  };

  void Run();
  // Starts announced tasks while there is room. Returns false when the thread must end.
  bool TakeTasks();
  Result<void> StartTasks(std::vector<Task> tasks);
  Result<void> ReadSome();
  Result<void> TakeEvent(const rdkafka::ReadEvent& event);
  Result<void> EndReadings(bool was_silent);

  const RecordFetcher::OpenReader open_;
  const Clock& clock_;
  const std::chrono::milliseconds silence_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Task> tasks_;                      // not started
  std::map<std::uint64_t, RecordRun> written_;  // by id, after End()
  std::uint64_t begun_ = 0;
  std::uint64_t read_ = 0;
  std::optional<Error> failure_;

  // Used only by the thread:
  std::unique_ptr<rdkafka::Reader> reader_;
  // Topics that the reader has read.
  std::size_t topics_ = 0;
  std::string topic_;
  std::map<std::uint64_t, Reading> readings_;
  HeaderList headers_;
  Instant now_;  // time of the last event
  std::stop_source stop_;
  std::jthread thread_;  // destroyed first
};

}  // namespace holdfast::kafka
