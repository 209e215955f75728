#include "common/storage/retry_storage.h"

#include "tests/support/catch.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_storage.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {
using namespace std::chrono_literals;
using testing::Fault;
using testing::FaultyStorage;
using testing::ManualClock;
using testing::MemoryStorage;
using testing::SeededRandom;
using testing::StorageCall;
using testing::Unwrap;

FileName Name(FileKind kind, char digit) { return {kind, std::string(64, digit)}; }

struct Scene {
  ManualClock clock;
  SeededRandom random;
  std::vector<std::chrono::nanoseconds> waits;
  FaultyStorage* faulty = nullptr;
  std::unique_ptr<Storage> storage = Make({});

  std::unique_ptr<Storage> Make(const RetryPolicy& policy) {
    auto inner = std::make_unique<FaultyStorage>(std::make_unique<MemoryStorage>());
    faulty = inner.get();
    return std::make_unique<RetryStorage>(std::move(inner), policy, clock, random,
                                          [this](std::chrono::nanoseconds time) -> Result<void> {
                                            waits.push_back(time);
                                            clock.Advance(time);
                                            return {};
                                          });
  }
};

TEST_CASE("retry storage: waits grow from under a second to under a minute, at random") {
  Scene scene;
  scene.faulty->Set({.last = 12});

  REQUIRE_FAILS(scene.storage->Get(Name(FileKind::kPack, 'a'), {}), ErrorCode::kNotFound, "");

  REQUIRE(scene.waits.size() == 12);
  auto limit = std::chrono::nanoseconds(1s);
  std::chrono::nanoseconds sum{0};
  for (std::chrono::nanoseconds wait : scene.waits) {
    REQUIRE(wait < limit);
    sum += wait;
    limit = std::min<std::chrono::nanoseconds>(limit * 2, 60s);
  }
  REQUIRE(sum > 60s);   // not all tiny
  REQUIRE(sum < 363s);  // and with jitter
}

TEST_CASE("retry storage: gives up sooner if the server never answered") {
  Scene scene;
  scene.storage = scene.Make({.total_before_first_answer = 12s});
  scene.faulty->Set({.last = 1 << 30});
  const Instant begin = scene.clock.Monotonic();
  REQUIRE_FAILS(scene.storage->Stat(Name(FileKind::kPack, 'a')), ErrorCode::kUnavailable, "tried ");
  CHECK(scene.clock.Monotonic() - begin <= 12s);

  scene.faulty->Set({.last = 0});
  REQUIRE_FAILS(scene.storage->Stat(Name(FileKind::kPack, 'a')), ErrorCode::kNotFound, "");
  scene.faulty->Set({.last = 1 << 30});
  const Instant again = scene.clock.Monotonic();
  REQUIRE_FAILS(scene.storage->Stat(Name(FileKind::kPack, 'a')), ErrorCode::kUnavailable, "tried ");
  CHECK(scene.clock.Monotonic() - again > 10min);
}

TEST_CASE("retry storage: each retry is announced") {
  Scene scene;
  std::vector<std::string> notices;
  auto faulty = std::make_unique<FaultyStorage>(std::make_unique<MemoryStorage>());
  faulty->Set({.last = 2});
  RetryStorage storage(
      std::move(faulty), {}, scene.clock, scene.random,
      [](std::chrono::nanoseconds) -> Result<void> { return {}; },
      [&](const Error& error, std::chrono::nanoseconds wait) {
        REQUIRE(wait < 2s);
        notices.push_back(error.message());
      });
  REQUIRE_OK(storage.Put(Name(FileKind::kLock, 'a'), Bytes(1), PutMode::kReplace));
  REQUIRE(notices.size() == 2);
  REQUIRE_THAT(notices[0], Catch::Contains("injected fault"));
}

TEST_CASE("retry storage: writes and removals are retried only while permitted") {
  Scene scene;
  const FileName name = Name(FileKind::kIndex, 'a');
  unsigned asked = 0;
  const Permit twice = [&]() -> Result<void> {
    if (++asked <= 2) return {};
    return Fail(ErrorCode::kTimedOut, "not any more");  // retried if the storage returned it
  };
  scene.faulty->Set({.last = 1});
  REQUIRE_OK(scene.storage->PutIfPermitted(name, Bytes(1), twice));
  REQUIRE(asked == 2);
  scene.faulty->Set({});
  REQUIRE_FAILS(scene.storage->PutIfPermitted(name, Bytes(1), twice), ErrorCode::kTimedOut,
                "not any");
  REQUIRE(scene.faulty->matching() == 0);
  asked = 1;
  REQUIRE_FAILS(scene.storage->RemoveIfPermitted(name, twice), ErrorCode::kTimedOut,
                "not any more");
  REQUIRE(scene.faulty->matching() == 1);
  scene.faulty->Set({.last = 1, .after_the_work = true});
  asked = 0;
  REQUIRE_OK(scene.storage->RemoveIfPermitted(name, twice));
}

TEST_CASE("retry storage: ends after 15 minutes and reports the number of tries") {
  Scene scene;
  scene.faulty->Set({.code = ErrorCode::kTimedOut});
  const Result<void> put =
      scene.storage->Put(Name(FileKind::kPack, 'a'), Bytes(1), PutMode::kReplace);
  REQUIRE_FAILS(put, ErrorCode::kTimedOut, "times in 1");
  REQUIRE_FAILS(put, ErrorCode::kTimedOut, "injected fault");
  REQUIRE(scene.clock.Monotonic().time_since_epoch() <= 15min);
  REQUIRE(scene.clock.Monotonic().time_since_epoch() > 13min);
}

TEST_CASE("retry storage: tries twice however long the first try took") {
  Scene scene;
  scene.storage = scene.Make({.total = 0s});
  scene.faulty->Set({.last = 1});
  REQUIRE_OK(scene.storage->Put(Name(FileKind::kPack, 'a'), Bytes(1), PutMode::kReplace));
}

TEST_CASE("retry storage: permanent errors are not retried") {
  Scene scene;
  for (ErrorCode code : {ErrorCode::kDenied, ErrorCode::kNotFound, ErrorCode::kNoSpace,
                         ErrorCode::kCorrupt, ErrorCode::kCancelled}) {
    scene.faulty->Set({.code = code});
    REQUIRE_FAILS(scene.storage->Stat(Name(FileKind::kKey, 'a')), code, "");
    REQUIRE(scene.faulty->matching() == 1);
  }
  REQUIRE(scene.waits.empty());
}

TEST_CASE("retry storage: a create whose answer was lost succeeds only if the content is ours") {
  Scene scene;
  const FileName config{FileKind::kConfig, ""};
  scene.faulty->Set({.calls = {StorageCall::kPut}, .last = 1, .after_the_work = true});
  REQUIRE_OK(scene.storage->Put(config, ToBytes("ours"), PutMode::kCreate));

  // The second try finds another writer's file.
  scene.faulty->Set({.calls = {StorageCall::kPut}, .last = 1});
  REQUIRE_FAILS(scene.storage->Put(config, ToBytes("other"), PutMode::kCreate),
                ErrorCode::kAlreadyExists, "");
  // At the first try, equal content does not help: no answer was lost.
  REQUIRE_FAILS(scene.storage->Put(config, ToBytes("ours"), PutMode::kCreate),
                ErrorCode::kAlreadyExists, "");
}

TEST_CASE("retry storage: a removal whose answer was lost succeeds") {
  Scene scene;
  const FileName lock = Name(FileKind::kLock, 'a');
  REQUIRE_OK(scene.storage->Put(lock, Bytes(1), PutMode::kReplace));
  scene.faulty->Set({.calls = {StorageCall::kRemove}, .last = 1, .after_the_work = true});
  REQUIRE_OK(scene.storage->Remove(lock));
  REQUIRE_FAILS(scene.storage->Remove(lock), ErrorCode::kNotFound, "");
}

// The first two lists fail in the middle.
class TornList final : public Storage {
 public:
  std::string location() const override { return "torn:"; }
  unsigned connections_max() const override { return 1; }
  Result<void> Create() override { return {}; }
  Result<void> Put(const FileName&, ByteView, PutMode) override { return {}; }
  Result<Bytes> Get(const FileName&, ByteRange) override { return Bytes(); }
  Result<FileInfo> Stat(const FileName& name) override { return FileInfo{name, 0}; }
  Result<void> Remove(const FileName&) override { return {}; }
  Result<void> List(FileKind kind, const VisitFile& visit) override {
    ++lists;
    for (char digit = 'a'; digit < 'd'; ++digit) {
      HF_TRY(visit({Name(kind, digit), 1}));
      if (lists < 3 && digit == 'b') return Fail(ErrorCode::kUnavailable, "torn");
    }
    return {};
  }
  int lists = 0;
};

TEST_CASE("retry storage: an interrupted list visits each file once") {
  Scene scene;
  RetryStorage storage(std::make_unique<TornList>(), {}, scene.clock, scene.random,
                       [](std::chrono::nanoseconds) -> Result<void> { return {}; });
  std::string seen;
  REQUIRE_OK(storage.List(FileKind::kIndex, [&](const FileInfo& info) -> Result<void> {
    seen += info.name.name[0];
    return {};
  }));
  REQUIRE(seen == "abc");
}

TEST_CASE("retry storage: an error of the visitor does not restart the list") {
  Scene scene;
  auto torn = std::make_unique<TornList>();
  TornList& inner = *torn;
  RetryStorage storage(std::move(torn), {}, scene.clock, scene.random,
                       [](std::chrono::nanoseconds) -> Result<void> { return {}; });
  REQUIRE_FAILS(storage.List(FileKind::kIndex,
                             [](const FileInfo&) -> Result<void> {
                               return Fail(ErrorCode::kUnavailable, "the visitor's");
                             }),
                ErrorCode::kUnavailable, "the visitor's");
  REQUIRE(inner.lists == 1);
}

TEST_CASE("retry storage: a stop ends the wait at once") {
  std::stop_source stop;
  REQUIRE_OK(PauseUntilStopped(stop.get_token())(1ns));
  stop.request_stop();
  REQUIRE_FAILS(PauseUntilStopped(stop.get_token())(1h), ErrorCode::kCancelled, "stopped");
}

}  // namespace
}  // namespace holdfast
