#include "common/base/parallel.h"

#include <atomic>
#include <latch>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/results.h"

using namespace holdfast;

TEST_CASE("parallel: each number is processed once") {
  const unsigned threads = GENERATE(1U, 3U, 100U);
  std::vector<std::atomic<int>> seen(50);

  REQUIRE_OK(ForEachInParallel(seen.size(), threads, [&](std::size_t i) -> Result<void> {
    ++seen[i];
    return {};
  }));

  for (const std::atomic<int>& count : seen) CHECK(count == 1);
}

TEST_CASE("parallel: several numbers are processed at the same time") {
  std::latch both(2);
  REQUIRE_OK(ForEachInParallel(2, 2, [&](std::size_t) -> Result<void> {
    both.arrive_and_wait();
    return {};
  }));
}

TEST_CASE("parallel: zero numbers succeed at once") {
  REQUIRE_OK(ForEachInParallel(
      0, 4, [](std::size_t) -> Result<void> { return Fail(ErrorCode::kInternal, "called"); }));
}

TEST_CASE("parallel: after an error no more start, and the first error in order is returned") {
  std::atomic<int> begun = 0;
  std::latch both(2);
  Result<void> done = ForEachInParallel(1000, 2, [&](std::size_t i) -> Result<void> {
    ++begun;
    both.arrive_and_wait();
    return Fail(ErrorCode::kInternal, "number " + std::to_string(i));
  });

  REQUIRE_FAILS(std::move(done), ErrorCode::kInternal, "number 0");
  CHECK(begun == 2);
}
