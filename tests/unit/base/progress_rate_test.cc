#include "common/base/progress_rate.h"

#include "tests/support/catch.h"

namespace holdfast {
namespace {
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kMiB = 1 << 20;

// Work that advances in steps of one second.
struct Work {
  void Pass(int count, std::uint64_t moved_each, std::uint64_t unchanged_each = 0) {
    for (int i = 0; i < count; ++i) {
      now += seconds(1);
      moved += moved_each;
      all += moved_each + unchanged_each;
      rate.Add(now, moved, all);
    }
  }
  std::optional<double> Left(std::uint64_t total) const { return rate.SecondsLeft(total); }

  Instant now{seconds(1'000)};
  std::uint64_t moved = 0;
  std::uint64_t all = 0;
  ProgressRate rate;
};

TEST_CASE("progress rate: counts moved bytes, not unchanged ones") {
  Work work;
  work.Pass(1, 0);
  work.Pass(20, 10 * kMiB, 990 * kMiB);
  CHECK(work.rate.bytes_per_second() == Approx(10 * kMiB).epsilon(0.01));
  work.Pass(60, 0, 1'000 * kMiB);
  CHECK(work.rate.bytes_per_second() < 1'000);
}

TEST_CASE("progress rate: is a mean over some seconds") {
  Work work;
  work.Pass(10, 10 * kMiB);
  work.Pass(1, 0);
  CHECK(work.rate.bytes_per_second() > 7 * kMiB);
  work.Pass(20, 0);
  CHECK(work.rate.bytes_per_second() < kMiB);
}

TEST_CASE("progress rate: samples in quick succession change nothing") {
  Work work;
  work.Pass(10, 10 * kMiB);
  const double before = work.rate.bytes_per_second();
  work.rate.Add(work.now + milliseconds(1), work.moved + 100 * kMiB, work.all + 100 * kMiB);
  CHECK(work.rate.bytes_per_second() == before);
}

TEST_CASE("progress rate: the time left needs five seconds of history") {
  Work work;
  work.Pass(1, 0);
  work.Pass(4, kMiB);
  CHECK_FALSE(work.Left(20 * kMiB));
  work.Pass(1, kMiB);
  REQUIRE(work.Left(20 * kMiB));
  CHECK(*work.Left(20 * kMiB) == Approx(15));
}

TEST_CASE("progress rate: time before the first byte is not history") {
  Work work;
  work.Pass(100, 0);
  work.Pass(4, kMiB);
  CHECK_FALSE(work.Left(20 * kMiB));
  work.Pass(2, kMiB);
  CHECK(*work.Left(20 * kMiB) == Approx(14));
}

TEST_CASE("progress rate: the time left needs a total that has not been exceeded") {
  Work work;
  work.Pass(20, kMiB);
  CHECK(work.Left(40 * kMiB));
  CHECK_FALSE(work.Left(0));
  CHECK_FALSE(work.Left(10 * kMiB));
  CHECK(*work.Left(20 * kMiB) == 0);
}

TEST_CASE("progress rate: the time left needs a steady rate") {
  Work work;
  work.Pass(10, kMiB);
  work.Pass(10, 4 * kMiB);
  CHECK_FALSE(work.Left(100 * kMiB));
  // After a minute the slow start no longer counts, and the time left is known again.
  work.Pass(60, 4 * kMiB);
  REQUIRE(work.Left(work.all + 400 * kMiB));
  CHECK(*work.Left(work.all + 400 * kMiB) == Approx(100).epsilon(0.05));
  SECTION("stalled work") {
    work.Pass(40, 0);
    CHECK_FALSE(work.Left(work.all + 400 * kMiB));
  }
}

TEST_CASE("progress rate: a time left far longer than the history is not given") {
  Work work;
  work.Pass(10, kMiB);
  CHECK(work.Left(work.all + 150 * kMiB));
  CHECK_FALSE(work.Left(work.all + 250 * kMiB));
  work.Pass(10, kMiB);
  CHECK(work.Left(work.all + 250 * kMiB));
}

TEST_CASE("progress rate: unchanged content shortens the time left too") {
  Work work;
  work.Pass(20, kMiB, 9 * kMiB);
  CHECK(*work.Left(work.all + 100 * kMiB) == Approx(10).epsilon(0.1));
}

// Whatever the pattern of a backup, an estimate is less than ten times off.
TEST_CASE("progress rate: estimates are never ten times off") {
  // Each pattern: seconds at a rate, in MiB/s.
  using Pattern = std::vector<std::pair<int, std::uint64_t>>;
  const Pattern pattern = GENERATE(
      Pattern{{300, 10}}, Pattern{{60, 100}, {300, 20}}, Pattern{{30, 10}, {5, 0}, {100, 10}},
      Pattern{{10, 500}, {600, 60}}, Pattern{{100, 3}, {100, 9}, {100, 27}});
  std::uint64_t total = 0;
  int length = 0;
  for (const auto& [time, rate] : pattern) {
    total += static_cast<std::uint64_t>(time) * rate * kMiB;
    length += time;
  }
  Work work;
  int shown = 0;
  int passed = 0;
  for (const auto& [time, rate] : pattern) {
    for (int i = 0; i < time; ++i, ++passed) {
      work.Pass(1, rate * kMiB);
      const std::optional<double> left = work.Left(total);
      if (!left) continue;
      ++shown;
      const double real = length - passed - 1;
      INFO(passed << " s: " << *left << " estimated, " << real << " real");
      CHECK(*left <= 10 * real + 5);
      CHECK(10 * *left + 5 >= real);
    }
  }
  CHECK(shown > length / 3);
}

TEST_CASE("progress rate: a counter that goes back starts a new history") {
  Work work;
  work.Pass(20, kMiB);
  work.rate.Add(work.now + seconds(1), 0, 0);
  CHECK(work.rate.bytes_per_second() == 0);
  CHECK_FALSE(work.Left(100 * kMiB));
}

}  // namespace
}  // namespace holdfast
