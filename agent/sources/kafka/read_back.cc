#include "agent/sources/kafka/read_back.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

using rdkafka::ReadEvent;
using std::chrono::milliseconds;

// Reading a small partition is mostly waiting, so many are read at once.
constexpr std::size_t kReadingsMax = 64;
// A reader keeps requesting the leaders of all topics that it has ever read.
constexpr std::size_t kTopicsPerReadBack = 200;
// How soon new and finished tasks are noticed.
constexpr milliseconds kLookAgain{50};

std::string WhileReading(const rdkafka::TopicPartition& partition) {
  return "read back " + NameOf(partition);
}

}  // namespace

ReadBack::ReadBack(RecordFetcher::OpenReader open, const Clock& clock, milliseconds silence)
    : open_(std::move(open)), clock_(clock), silence_(silence), thread_([this] { Run(); }) {}

ReadBack::~ReadBack() {
  stop_.request_stop();
  changed_.notify_all();
}

std::uint64_t ReadBack::Begin(const rdkafka::TopicPartition& partition, std::int64_t offset,
                              std::uint64_t place) {
  std::lock_guard lock(mutex_);
  const std::uint64_t id = begun_++;
  tasks_.push_back({id, partition, offset, place});
  changed_.notify_all();
  return id;
}

void ReadBack::End(std::uint64_t id, const RecordRun& written) {
  std::lock_guard lock(mutex_);
  written_.emplace(id, written);
}

std::optional<Error> ReadBack::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

Result<void> ReadBack::Finish(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, stop, [this] { return failure_ || read_ == begun_; });
  if (failure_) return Fail(*failure_);
  if (read_ < begun_) return Stopped();
  return {};
}

void ReadBack::Run() {
  while (TakeTasks()) {
    Result<void> read = ReadSome();
    if (read) continue;
    std::lock_guard lock(mutex_);
    if (!stop_.stop_requested()) failure_ = std::move(read).error();
    changed_.notify_all();
    break;
  }
  readings_.clear();
  reader_.reset();
}

bool ReadBack::TakeTasks() {
  std::vector<Task> taken;
  {
    std::unique_lock lock(mutex_);
    if (readings_.empty())
      changed_.wait(lock, stop_.get_token(), [this] { return !tasks_.empty(); });
    while (!tasks_.empty() && readings_.size() + taken.size() < kReadingsMax) {
      taken.push_back(std::move(tasks_.front()));
      tasks_.pop_front();
    }
  }
  if (stop_.stop_requested()) return false;
  Result<void> started = StartTasks(std::move(taken));
  if (started) return true;
  std::lock_guard lock(mutex_);
  failure_ = std::move(started).error();
  changed_.notify_all();
  return false;
}

Result<void> ReadBack::StartTasks(std::vector<Task> tasks) {
  for (Task& task : tasks) {
    if (task.partition.topic != topic_) {
      topic_ = task.partition.topic;
      ++topics_;
    }
    if (reader_ == nullptr || (topics_ > kTopicsPerReadBack && readings_.empty())) {
      reader_.reset();
      HF_ASSIGN(reader_, open_());
      topics_ = 1;
    }
    HF_TRY(reader_->Start(task.partition, task.begin, task.id));
    const std::uint64_t id = task.id;
    const std::int64_t begin = task.begin;
    const std::uint64_t place = task.place;
    readings_.emplace(id, Reading{std::move(task), PlaceTally(place), begin, clock_.Monotonic()});
  }
  return {};
}

Result<void> ReadBack::ReadSome() {
  auto events = reader_->Next(kLookAgain, stop_.get_token());
  if (!events) {
    // Either nothing new was written or no broker answers, which the writer notices too.
    const ErrorCode code = events.error().code();
    if (code != ErrorCode::kTimedOut && code != ErrorCode::kUnavailable)
      return Fail(std::move(events).error().While("read back the written records"));
    return EndReadings(true);
  }
  now_ = clock_.Monotonic();
  for (const ReadEvent& event : *events) HF_TRY(TakeEvent(event));
  return EndReadings(false);
}

Result<void> ReadBack::TakeEvent(const ReadEvent& event) {
  if (event.kind == ReadEvent::Kind::kEnd) return {};
  Reading& reading = readings_.at(event.tag);
  const rdkafka::TopicPartition& partition = reading.task.partition;
  if (event.kind == ReadEvent::Kind::kFailed)
    return Fail(Error(*event.failure).While(WhileReading(partition)));
  if (event.offset != reading.offset)
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("{}: offset {} follows {}: another client writes there",
                    WhileReading(partition), event.offset, reading.offset - 1),
        "stop the client that writes to the topic, and restore it again with --replace-topic");
  auto record = RecordOf(*reader_, event, headers_);
  if (!record) return Fail(std::move(record).error().While(WhileReading(partition)));
  reading.tally.Add(*record, record->timestamp);
  ++reading.offset;
  reading.silent_since = now_;
  return {};
}

Result<void> ReadBack::EndReadings(bool was_silent) {
  std::vector<std::pair<std::uint64_t, RecordRun>> whole;
  {
    std::lock_guard lock(mutex_);
    for (auto& [id, reading] : readings_) {
      const auto written = written_.find(id);
      if (written == written_.end()) {
        reading.silent_since = clock_.Monotonic();
        continue;
      }
      const std::uint64_t left =
          written->second.records - (reading.tally.place() - reading.task.place);
      if (left == 0 || left > written->second.records) {
        whole.emplace_back(id, written->second);
      } else if (was_silent && clock_.Monotonic() - reading.silent_since > silence_) {
        return Fail(
            ErrorCode::kTimedOut,
            fmt::format("{}: {} of {} could not be read back", WhileReading(reading.task.partition),
                        left, FormatCount(written->second.records, "record")));
      }
    }
    for (const auto& [id, run] : whole) written_.erase(id);
  }
  for (const auto& [id, run] : whole) {
    Reading& reading = readings_.at(id);
    if (reading.tally.Finish() != run)
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{}: {} records read back differ from the {} written",
                              WhileReading(reading.task.partition),
                              reading.tally.place() - reading.task.place, run.records),
                  "restore the topic again with --replace-topic");
    reader_->Stop(reading.task.partition);
    readings_.erase(id);
  }
  if (whole.empty()) return {};
  std::lock_guard lock(mutex_);
  read_ += whole.size();
  changed_.notify_all();
  return {};
}

}  // namespace holdfast::kafka
