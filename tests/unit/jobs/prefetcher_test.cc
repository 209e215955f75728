#include "agent/jobs/backup/prefetcher.h"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::jobs {
namespace {
using testing::Unwrap;

// What happened to the content of one item.
struct Reading {
  std::size_t bytes_ahead = 1;  // 0: cannot be read ahead
  std::thread::id read_by;      // none: was not read ahead
  bool is_used = false;         // the item is finished
};

class FakeReader final : public ByteReader {
 public:
  explicit FakeReader(Reading& reading) : reading_(reading) {}
  ~FakeReader() override { reading_.is_used = true; }
  Result<std::size_t> Read(std::span<std::uint8_t>) override { return std::size_t{0}; }
  std::size_t ReadAheadBytes() const override { return reading_.bytes_ahead; }
  void ReadAhead() override {
    HF_CHECK(reading_.read_by == std::thread::id());
    reading_.read_by = std::this_thread::get_id();
  }

 private:
  Reading& reading_;
};

// Returns an item for each reading, and then the end or an error.
class ListSession final : public BackupSession {
 public:
  explicit ListSession(std::vector<Reading> all) : readings(std::move(all)) {}
  Result<void> Prepare(std::stop_token) override { return {}; }
  Result<void> Cut() override { return {}; }
  Result<std::optional<Item>> Next() override {
    std::lock_guard lock(mutex_);
    HF_CHECK(asked_by_ == std::thread::id() || asked_by_ == std::this_thread::get_id());
    asked_by_ = std::this_thread::get_id();
    if (asked_ > 0 && asked_ <= readings.size()) {
      const Reading& before = readings[asked_ - 1];
      HF_CHECK(before.bytes_ahead > 0 || before.is_used);
    }
    if (asked_ == readings.size()) {
      if (failure) return Fail(*failure);
      return std::optional<Item>();
    }
    Item item;
    item.path = fmt::format("{:05}", asked_);
    item.attributes.type = NodeType::kFile;
    item.content = std::make_unique<FakeReader>(readings[asked_++]);
    has_asked_.notify_all();
    return std::optional<Item>(std::move(item));
  }
  Result<Manifest> Finish() override { return Manifest(); }
  std::uint64_t bytes_total() const override { return 100 * asked_; }  // as if it found more

  std::size_t asked() const {
    std::lock_guard lock(mutex_);
    return asked_;
  }
  void WaitUntilAsked(std::size_t count) const {
    std::unique_lock lock(mutex_);
    has_asked_.wait(lock, [&] { return asked_ >= count; });
  }

  std::vector<Reading> readings;
  std::optional<Error> failure;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable has_asked_;
  std::size_t asked_ = 0;
  std::thread::id asked_by_;  // always the same thread
};

TEST_CASE("prefetcher: all items come in order, read by other threads") {
  ListSession session{std::vector<Reading>(1000)};
  Progress progress;
  Prefetcher items(session, 3, progress);
  std::set<std::thread::id> threads;
  for (std::size_t i = 0; i < session.readings.size(); ++i) {
    const std::optional<Item> item = Unwrap(items.Next());
    REQUIRE(item.has_value());
    REQUIRE(item->path == fmt::format("{:05}", i));
    REQUIRE(session.readings[i].read_by != std::thread::id());
    threads.insert(session.readings[i].read_by);
  }
  REQUIRE_FALSE(Unwrap(items.Next()).has_value());
  REQUIRE_FALSE(Unwrap(items.Next()).has_value());
  REQUIRE(threads.size() <= 3);
  REQUIRE_FALSE(threads.contains(std::this_thread::get_id()));
}

TEST_CASE(
    "prefetcher: an item that cannot be read ahead is finished before the session continues") {
  std::vector<Reading> readings(200);
  for (std::size_t i = 0; i < readings.size(); i += 7) readings[i].bytes_ahead = 0;
  ListSession session{std::move(readings)};
  Progress progress;
  Prefetcher items(session, 2, progress);
  for (std::size_t i = 0; i < session.readings.size(); ++i) {
    REQUIRE(Unwrap(items.Next())->path == fmt::format("{:05}", i));
    const bool is_ahead = session.readings[i].read_by != std::thread::id();
    REQUIRE(is_ahead == (i % 7 != 0));
  }
  REQUIRE_FALSE(Unwrap(items.Next()).has_value());
}

TEST_CASE("prefetcher: the number and size of prefetched items are bounded") {
  const std::size_t bytes = GENERATE(std::size_t{1}, std::size_t{1} << 20U);
  const std::size_t most = std::min(Prefetcher::kItemsMax, Prefetcher::kBytesMax / bytes);
  ListSession session{std::vector<Reading>(1000, Reading{.bytes_ahead = bytes})};
  Progress progress;
  Prefetcher items(session, 2, progress);
  for (std::size_t i = 0; i < session.readings.size(); ++i) {
    REQUIRE(Unwrap(items.Next()).has_value());
    if (i == 0) session.WaitUntilAsked(most);
    REQUIRE(session.asked() <= i + most);
  }
}

TEST_CASE("prefetcher: an available item is returned without waiting for the next one") {
  ListSession session{std::vector<Reading>(2, Reading{.bytes_ahead = 0})};
  Progress progress;
  Prefetcher items(session, 2, progress);
  for (int i = 0; i < 2; ++i) REQUIRE(Unwrap(items.Next()).has_value());
  REQUIRE_FALSE(Unwrap(items.Next()).has_value());
}

TEST_CASE("prefetcher: an error comes after the items before it") {
  ListSession session{std::vector<Reading>(3)};
  session.failure = Error(ErrorCode::kUnavailable, "gone");
  Progress progress;
  Prefetcher items(session, 2, progress);
  for (int i = 0; i < 3; ++i) REQUIRE(Unwrap(items.Next()).has_value());
  REQUIRE_FAILS(items.Next(), ErrorCode::kUnavailable, "gone");
  REQUIRE_FAILS(items.Next(), ErrorCode::kUnavailable, "gone");
}

TEST_CASE("prefetcher: with one reader nothing is read ahead") {
  ListSession session{std::vector<Reading>(3)};
  Progress progress;
  Prefetcher items(session, 1, progress);
  (void)Unwrap(items.Next());
  REQUIRE(session.asked() == 1);
  REQUIRE(session.readings[0].read_by == std::thread::id());
}

TEST_CASE("prefetcher: the total is updated with each item") {
  const unsigned readers = GENERATE(1U, 2U);
  ListSession session{std::vector<Reading>(300)};
  Progress progress;
  Prefetcher items(session, readers, progress);
  (void)Unwrap(items.Next());
  REQUIRE(progress.bytes_total >= 100);
  REQUIRE(progress.bytes_total < 30'000);
  while (Unwrap(items.Next())) {
  }
  REQUIRE(progress.bytes_total == 30'000);
}

TEST_CASE("prefetcher: can be destroyed at any time") {
  for (std::size_t used : {0, 1, 63, 200}) {
    ListSession session{std::vector<Reading>(1000)};
    Progress progress;
    Prefetcher items(session, 4, progress);
    for (std::size_t i = 0; i < used; ++i) REQUIRE(Unwrap(items.Next()).has_value());
    REQUIRE(session.asked() >= used);
  }
}

}  // namespace
}  // namespace holdfast::jobs
