#include "agent/jobs/items_ahead.h"

#include <catch2/catch.hpp>

#include <set>
#include <thread>

#include "common/base/format.h"
#include "tests/support/results.h"

namespace holdfast::jobs {
namespace {
using testing::Unwrap;

// What happened to the content of one item.
struct Reading {
  std::size_t bytes_ahead = 1;   // 0: cannot be read ahead
  std::thread::id read_by = {};  // none: was not read ahead
  bool is_used = false;          // all else of the item is over
};

class FakeReader final : public ByteReader {
 public:
  explicit FakeReader(Reading& reading) : reading_(reading) {}
  ~FakeReader() override { reading_.is_used = true; }
  Result<std::size_t> Read(std::span<std::uint8_t>) override { return std::size_t{0}; }
  std::size_t BytesAhead() const override { return reading_.bytes_ahead; }
  void ReadAhead() override {
    HF_CHECK(reading_.read_by == std::thread::id());
    reading_.read_by = std::this_thread::get_id();
  }

 private:
  Reading& reading_;
};

// Gives an item for each reading, and then the end, or an error.
class ListSession final : public BackupSession {
 public:
  explicit ListSession(std::vector<Reading> all) : readings(std::move(all)) {}
  Result<void> Prepare(std::stop_token) override { return {}; }
  Result<void> Cut() override { return {}; }
  Result<std::optional<Item>> Next() override {
    if (asked > 0 && asked <= readings.size()) {
      const Reading& before = readings[asked - 1];
      HF_CHECK(before.bytes_ahead > 0 || before.is_used);
    }
    if (asked == readings.size()) {
      if (failure) return Fail(*failure);
      return std::optional<Item>();
    }
    Item item;
    item.path = fmt::format("{:05}", asked);
    item.attributes.type = NodeType::kFile;
    item.content = std::make_unique<FakeReader>(readings[asked++]);
    return std::optional<Item>(std::move(item));
  }
  Result<Manifest> Finish() override { return Manifest(); }

  std::vector<Reading> readings;
  std::size_t asked = 0;
  std::optional<Error> failure;
};

TEST_CASE("items ahead: all come in their order, read by other threads before") {
  ListSession session{std::vector<Reading>(1000)};
  ItemsAhead items(session, 3);
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

TEST_CASE("items ahead: what cannot be read ahead is used before the session goes on") {
  std::vector<Reading> readings(200);
  for (std::size_t i = 0; i < readings.size(); i += 7) readings[i].bytes_ahead = 0;
  ListSession session{std::move(readings)};
  ItemsAhead items(session, 2);
  for (std::size_t i = 0; i < session.readings.size(); ++i) {
    REQUIRE(Unwrap(items.Next())->path == fmt::format("{:05}", i));
    const bool is_ahead = session.readings[i].read_by != std::thread::id();
    REQUIRE(is_ahead == (i % 7 != 0));
  }
  REQUIRE_FALSE(Unwrap(items.Next()).has_value());
}

TEST_CASE("items ahead: so much is kept, and no more") {
  constexpr std::size_t kLarge = 1U << 20;
  ListSession large{std::vector<Reading>(100, Reading{.bytes_ahead = kLarge})};
  ItemsAhead few(large, 2);
  (void)Unwrap(few.Next());
  REQUIRE(large.asked == ItemsAhead::kBytesMax / kLarge);

  ListSession small{std::vector<Reading>(1000)};
  ItemsAhead many(small, 2);
  (void)Unwrap(many.Next());
  REQUIRE(small.asked == ItemsAhead::kItemsMax);
}

TEST_CASE("items ahead: an error comes after what the session gave before it") {
  ListSession session{std::vector<Reading>(3)};
  session.failure = Error(ErrorCode::kUnavailable, "gone");
  ItemsAhead items(session, 2);
  for (int i = 0; i < 3; ++i) REQUIRE(Unwrap(items.Next()).has_value());
  REQUIRE_FAILS(items.Next(), ErrorCode::kUnavailable, "gone");
  REQUIRE_FAILS(items.Next(), ErrorCode::kUnavailable, "gone");
}

TEST_CASE("items ahead: with one reader nothing is read before it is asked for") {
  ListSession session{std::vector<Reading>(3)};
  ItemsAhead items(session, 1);
  (void)Unwrap(items.Next());
  REQUIRE(session.asked == 1);
  REQUIRE(session.readings[0].read_by == std::thread::id());
}

TEST_CASE("items ahead: may be given up at any time") {
  ListSession session{std::vector<Reading>(1000)};
  for (std::size_t used : {0, 1, 63, 200}) {
    ItemsAhead items(session, 4);
    for (std::size_t i = 0; i < used; ++i) (void)Unwrap(items.Next());
  }
  REQUIRE(session.asked > 200);
}

}  // namespace
}  // namespace holdfast::jobs
