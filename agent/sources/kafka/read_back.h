// Reads partitions back while they are still being written, on a thread of its own: what was
// written a moment ago is in the brokers' memory, and at the end there is nothing left to wait for.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
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

// Its calls are one thread's, which is not its own.
class ReadBack {
 public:
  // `silence`: how long nothing may come of what is known to be there.
  ReadBack(RecordFetcher::OpenReader open, const Clock& clock,
           std::chrono::milliseconds silence = std::chrono::minutes(5));
  ReadBack(const ReadBack&) = delete;
  ReadBack& operator=(const ReadBack&) = delete;
  // What is not read is given up.
  ~ReadBack();

  // From `offset` on `partition` is going to have records, one behind the other, of which the first
  // has this place in PlaceTally's order. Returns how End() calls it.
  std::uint64_t Begin(const rdkafka::TopicPartition& partition, std::int64_t offset,
                      std::uint64_t place);
  // They are there, and are these.
  void End(std::uint64_t id, const RecordRun& written);
  // The first thing that was not as it should be, so far: kCorrupt where other records came back
  // than were written, or errors of reading.
  std::optional<Error> failure() const;
  // Waits until all that was begun was read. REQUIRES: everything was ended.
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
    std::int64_t offset = 0;  // that comes next
    Instant silent_since;
  };

  void Run();
  // Takes what was begun, as far as there is room; false: the end.
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
  std::deque<Task> tasks_;                      // not taken yet
  std::map<std::uint64_t, RecordRun> written_;  // of those that have ended
  std::uint64_t begun_ = 0;
  std::uint64_t read_ = 0;
  std::optional<Error> failure_;

  // Of the thread.
  std::unique_ptr<rdkafka::Reader> reader_;
  std::size_t topics_ = 0;  // that it has read
  std::string topic_;
  std::map<std::uint64_t, Reading> readings_;
  HeaderList headers_;
  Instant now_;  // when something came last
  std::stop_source stop_;
  std::jthread thread_;  // goes first
};

}  // namespace holdfast::kafka
