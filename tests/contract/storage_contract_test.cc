#include "tests/contract/storage_contract.h"

#include <list>

#include "common/io/atomic_file.h"
#include "common/storage/limited_storage.h"
#include "common/storage/open_storage.h"
#include "common/storage/posix_storage.h"
#include "common/storage/retry_storage.h"
#include "common/storage/s3_storage.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_storage.h"
#include "tests/support/s3_server.h"
#include "tests/support/seeded_random.h"

namespace holdfast::testing {
namespace {

TEST_CASE("storage contract: a directory") {
  const TempDir directory = Unwrap(TempDir::Create("storage-contract"));
  RunStorageContract([&] { return std::make_unique<PosixStorage>(directory.path() + "/repo"); });
}

TEST_CASE("storage contract: a directory as a URL names it") {
  const TempDir directory = Unwrap(TempDir::Create("storage-contract"));
  RunStorageContract([&] { return Unwrap(OpenStorage({"file:" + directory.path() + "/repo"})); });
}

TEST_CASE("storage contract: memory") {
  RunStorageContract([] { return std::make_unique<MemoryStorage>(); });
}

TEST_CASE("storage contract: faults that do not happen") {
  RunStorageContract(
      [] { return std::make_unique<FaultyStorage>(std::make_unique<MemoryStorage>()); });
}

// Waiting advances the clock.
struct Waiting {
  ManualClock clock;
  SeededRandom random;
  std::unique_ptr<Storage> Retry(std::unique_ptr<Storage> inner) {
    return std::make_unique<RetryStorage>(std::move(inner), RetryPolicy{}, clock, random,
                                          [this](std::chrono::nanoseconds time) -> Result<void> {
                                            clock.Advance(time);
                                            return {};
                                          });
  }
};

TEST_CASE("storage contract: what fails now and then, and is tried again") {
  Waiting waiting;
  for (std::uint64_t first : {1, 2, 3}) {
    for (bool after_the_work : {false, true}) {
      DYNAMIC_SECTION("two calls from number " << first << ", done: " << after_the_work) {
        RunStorageContract([&] {
          auto faulty = std::make_unique<FaultyStorage>(std::make_unique<MemoryStorage>());
          faulty->Set({.first = first, .last = first + 1, .after_the_work = after_the_work});
          return waiting.Retry(std::move(faulty));
        });
      }
    }
  }
}

TEST_CASE("storage contract: content that waits") {
  Waiting waiting;
  RateLimit limit(1000, waiting.clock);
  RunStorageContract([&] {
    const RateLimits limits({&limit});
    return std::make_unique<LimitedStorage>(std::make_unique<MemoryStorage>(), limits, limits,
                                            [&](std::chrono::nanoseconds time) -> Result<void> {
                                              waiting.clock.Advance(time);
                                              return {};
                                            });
  });
}

std::unique_ptr<Storage> OpenS3(const std::string& url, const Clock& clock,
                                s3::Style style = s3::Style::kAuto) {
  s3::Settings settings{.style = style};
  settings.credentials = {.kind = s3::CredentialKind::kEnvironment,
                          .variables = {{"AWS_ACCESS_KEY_ID", S3Server::kAccessKeyId},
                                        {"AWS_SECRET_ACCESS_KEY", S3Key{}.secret}}};
  return Unwrap(s3::S3Storage::Open(
      url, settings, {.clock = &clock, .stall_timeout = std::chrono::milliseconds(10'000)}));
}

TEST_CASE("storage contract: S3") {
  ManualClock clock;
  S3Server server({.has_bucket = false}, clock);
  RunStorageContract([&] { return OpenS3(server.url("some/prefix +&%"), clock); });
  REQUIRE(server.violations().empty());
}

TEST_CASE("storage contract: S3 without a prefix, with lists of one file") {
  ManualClock clock;
  S3Server server({.page_size = 1}, clock);
  RunStorageContract([&] { return OpenS3(server.url(), clock); });
  REQUIRE(server.violations().empty());
}

TEST_CASE("storage contract: S3 with the bucket in the host's name") {
  ManualClock clock;
  S3Server server({.is_virtual_host = true}, clock);
  const std::string url =
      "s3:http://localhost" + server.endpoint().substr(server.endpoint().rfind(':')) + "/backups/p";
  RunStorageContract([&] { return OpenS3(url, clock, s3::Style::kVirtualHost); });
  REQUIRE(server.violations().empty());
}

TEST_CASE("storage contract: S3 that knows no conditions and wants MD5") {
  ManualClock clock;
  S3Server server({.knows_conditions = false, .wants_md5 = true}, clock);
  RunStorageContract([&] { return OpenS3(server.url("p"), clock); });
  REQUIRE(server.violations().empty());
}

TEST_CASE("storage contract: S3 that is overloaded, and is tried again") {
  Waiting waiting;
  for (S3Fault fault : {S3Fault::kSlowDown, S3Fault::kAnswerLost, S3Fault::kTwice}) {
    DYNAMIC_SECTION("fault " << static_cast<int>(fault)) {
      S3Server server({}, waiting.clock);
      server.Break(fault, "", "", 2, 4);
      RunStorageContract([&] { return waiting.Retry(OpenS3(server.url("p"), waiting.clock)); });
      REQUIRE(server.violations().empty());
    }
  }
}

}  // namespace
}  // namespace holdfast::testing
