#include "common/storage/limited_storage.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_storage.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::Unwrap;

const FileName kPack{FileKind::kPack, std::string(64, 'a')};
const FileName kLock{FileKind::kLock, std::string(64, 'b')};

// Reads 2,000 bytes a second and writes 1,000. Waiting advances the clock.
struct Limited {
  testing::ManualClock clock;
  std::chrono::nanoseconds waited{0};
  RateLimit read{2000, clock};
  RateLimit write{1000, clock};
  LimitedStorage storage{std::make_unique<testing::MemoryStorage>(), RateLimits({&read}),
                         RateLimits({&write}),
                         [this](std::chrono::nanoseconds time) -> Result<void> {
                           waited += time;
                           clock.Advance(time);
                           return {};
                         }};
};

TEST_CASE("limited storage: limits reads and writes") {
  Limited limited;

  Unwrap(limited.storage.Put(kPack, Bytes(500), PutMode::kReplace));
  CHECK(limited.waited == 500ms);
  CHECK(Unwrap(limited.storage.Get(kPack, {0, 100})).size() == 100);
  CHECK(limited.waited == 550ms);
}

TEST_CASE("limited storage: a lock does not wait for packs") {
  Limited limited;

  Unwrap(limited.storage.Put(kLock, Bytes(500), PutMode::kReplace));
  Unwrap(limited.storage.Get(kLock, {}));
  CHECK(limited.waited == 0ms);
}

TEST_CASE("limited storage: a put that is stopped while waiting writes nothing") {
  testing::ManualClock clock;
  RateLimit slow(1, clock);
  LimitedStorage storage(std::make_unique<testing::MemoryStorage>(), {}, RateLimits({&slow}),
                         [](std::chrono::nanoseconds) -> Result<void> {
                           return Fail(ErrorCode::kCancelled, "stopped by request");
                         });

  REQUIRE_FAILS(storage.Put(kPack, Bytes(500), PutMode::kReplace), ErrorCode::kCancelled, "");
  REQUIRE_FAILS(storage.Stat(kPack), ErrorCode::kNotFound, "");
}

}  // namespace
}  // namespace holdfast
