#include "agent/jobs/maintenance/forget_job.h"

#include "agent/jobs/maintenance/lock_job.h"
#include "common/repository/format/records.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_storage.h"
#include "tests/unit/jobs/jobs_fixture.h"

namespace holdfast::jobs {
namespace {
using testing::Unwrap;

constexpr const char* kUrl = "memory:main";

struct ForgetFixture : JobsFixture {
  RepositoryAddress Main() { return AllRepositories().front(); }
  // Saves one snapshot of fake/NAME per hour; the oldest is first.
  std::vector<repository::Id> Save(const std::string& name, unsigned count, bool partial = false) {
    auto session = Unwrap(RepositorySession::Open(Context(), Main(), LockUse::kRequired));
    std::vector<repository::Id> ids;
    for (unsigned i = 0; i < count; ++i) {
      clock.Advance(std::chrono::hours(1));
      const std::string json = fmt::format(
          R"({{"time":"{}","tree":"{}","paths":["/fake/{}"],"hostname":"n1","username":"u",)"
          R"("tags":["holdfast","kind:fake","name:{}"{}]}})",
          FormatTime(clock.Now()), std::string(64, 'a'), name, name,
          partial ? R"(,"partial")" : "");
      ids.push_back(Unwrap(session->repository().files().Save(FileKind::kSnapshot, AsBytes(json))));
    }
    return ids;
  }
  // Every storage that is opened has this fault.
  JobContext Failing(const testing::Fault& fault) {
    JobContext context = Context();
    context.open_storage = [this,
                            fault](const StorageAddress&) -> Result<std::unique_ptr<Storage>> {
      auto storage = std::make_unique<testing::FaultyStorage>(
          std::make_unique<testing::BorrowedStorage>(storages[kUrl]));
      storage->Set(fault);
      return storage;
    };
    return context;
  }
  bool Has(const repository::Id& id) {
    return storages[kUrl].Stat({FileKind::kSnapshot, id.Hex()}).has_value();
  }
};

TEST_CASE("forget: keeps the snapshots of the policy, and the floor below it") {
  ForgetFixture fixture;
  const auto ids = fixture.Save("one", 10);

  const ForgetReport dry = Unwrap(RunForget(
      fixture.Context(), fixture.Main(), {.policy = {.last = 2}, .dry_run = true, .min_keep = 4}));
  CHECK(dry.forgotten == 6);
  CHECK(dry.kept_by_floor == 2);
  CHECK(fixture.CountFiles(kUrl, FileKind::kSnapshot) == 10);

  const ForgetReport report =
      Unwrap(RunForget(fixture.Context(), fixture.Main(), {.policy = {.last = 2}, .min_keep = 4}));
  CHECK_FALSE(report.error);
  CHECK(report.forgotten == 6);
  CHECK(fixture.CountFiles(kUrl, FileKind::kSnapshot) == 4);
  CHECK(fixture.CountFiles(kUrl, FileKind::kLock) == 0);
  CHECK_FALSE(fixture.Has(ids[5]));
  CHECK(fixture.Has(ids[6]));
}

TEST_CASE("forget: partial snapshots do not count for the floor") {
  ForgetFixture fixture;
  const auto good = fixture.Save("one", 3);
  const auto partial = fixture.Save("one", 3, true);

  Unwrap(RunForget(fixture.Context(), fixture.Main(), {.policy = {.last = 1}, .min_keep = 2}));

  CHECK(fixture.Has(partial[2]));  // by the policy
  CHECK_FALSE(fixture.Has(partial[1]));
  CHECK(fixture.Has(good[2]));
  CHECK(fixture.Has(good[1]));
  CHECK_FALSE(fixture.Has(good[0]));
}

TEST_CASE("forget: snapshots of other sources are not touched") {
  ForgetFixture fixture;
  fixture.Save("one", 3);
  fixture.Save("two", 3);

  Unwrap(RunForget(fixture.Context(), fixture.Main(),
                   {.policy = {.last = 1}, .selector = "fake/one", .allow_below_floor = true}));

  CHECK(fixture.CountFiles(kUrl, FileKind::kSnapshot) == 4);
  const ForgetReport report =
      Unwrap(RunForget(fixture.Context(), fixture.Main(),
                       {.policy = {.last = 1}, .selector = "*/*@n1", .allow_below_floor = true}));
  CHECK(report.forgotten == 2);
}

TEST_CASE("forget: a policy for an unknown source is an error") {
  ForgetFixture fixture;
  fixture.Save("three", 3);
  const auto forget = [&](const std::string& selector) {
    return RunForget(fixture.Context(), fixture.Main(),
                     {.policy = {.last = 1}, .selector = selector, .min_keep = 1});
  };

  REQUIRE_FAILS(forget("fake/thre"), ErrorCode::kNotFound, "did you mean \"fake/three\"?");
  // Configured, and not saved yet.
  CHECK(Unwrap(forget("fake/one")).forgotten == 0);
  CHECK(fixture.CountFiles(kUrl, FileKind::kSnapshot) == 3);
}

TEST_CASE("forget: a policy that would empty a group is refused, and nothing is removed") {
  ForgetFixture fixture;
  fixture.Save("one", 3);
  fixture.Save("two", 2, true);  // all partial: the floor does not keep them
  ForgetOptions options{.policy = {.tags = {{"name:one"}}}};

  for (const bool dry_run : {true, false}) {
    options.dry_run = dry_run;
    REQUIRE_FAILS(RunForget(fixture.Context(), fixture.Main(), options), ErrorCode::kDenied,
                  "would leave nothing of a group of 2");
    CHECK(fixture.CountFiles(kUrl, FileKind::kSnapshot) == 5);
  }
  options.selector = "fake/one";
  CHECK(Unwrap(RunForget(fixture.Context(), fixture.Main(), options)).forgotten == 0);
  // Snapshots kept by the floor are enough.
  options.policy.tags = {{"else"}};
  options.min_keep = 1;
  CHECK(Unwrap(RunForget(fixture.Context(), fixture.Main(), options)).forgotten == 2);
  options.allow_below_floor = true;
  REQUIRE_FAILS(RunForget(fixture.Context(), fixture.Main(), options), ErrorCode::kDenied,
                "would leave nothing of a group of 1");
}

TEST_CASE("forget: the floor is the repository's, unless the order sets another") {
  ForgetFixture fixture;
  fixture.Configure(
      "repositories: {main: {url: 'memory:main', password_file: password, min_keep: 2}}\n");
  const auto ids = fixture.Save("one", 5);
  const auto forgotten = [&](const ForgetOptions& options) {
    return Unwrap(RunForget(fixture.Context(), fixture.Main(), options)).forgotten;
  };
  const repository::RetentionPolicy newest{.last = 1};

  CHECK(forgotten({.policy = newest, .dry_run = true}) == 3);
  CHECK(forgotten({.policy = newest, .dry_run = true, .min_keep = 4}) == 1);
  CHECK(forgotten({.policy = newest, .dry_run = true, .allow_below_floor = true}) == 4);
  REQUIRE_FAILS(RunForget(fixture.Context(), fixture.Main(), {.snapshots = {ids[3].Hex()}}),
                ErrorCode::kDenied, "newest 2");
}

TEST_CASE("forget: a named snapshot is removed, unless it belongs to the floor") {
  ForgetFixture fixture;
  const auto ids = fixture.Save("one", 3);
  const auto forget = [&](const std::vector<std::string>& snapshots, bool allow) {
    return RunForget(fixture.Context(), fixture.Main(),
                     {.snapshots = snapshots, .min_keep = 2, .allow_below_floor = allow});
  };

  // All or none.
  REQUIRE_FAILS(forget({ids[0].Hex(), ids[2].Hex()}, false), ErrorCode::kDenied, "newest 2");
  CHECK(fixture.CountFiles(kUrl, FileKind::kSnapshot) == 3);
  REQUIRE_FAILS(forget({"0000"}, false), ErrorCode::kNotFound, "0000");

  CHECK(Unwrap(forget({ids[0].Hex()}, false)).forgotten == 1);
  CHECK_FALSE(fixture.Has(ids[0]));
  CHECK(Unwrap(forget({"latest:fake/one"}, true)).forgotten == 1);
  CHECK_FALSE(fixture.Has(ids[2]));
}

TEST_CASE("forget: a damaged snapshot is removed by its id, and blocks policies until then") {
  ForgetFixture fixture;
  const auto ids = fixture.Save("one", 3);
  Unwrap(fixture.storages[kUrl].Put({FileKind::kSnapshot, ids[1].Hex()}, AsBytes("damaged"),
                                    PutMode::kReplace));
  const auto forget = [&](const std::string& snapshot) {
    return RunForget(fixture.Context(), fixture.Main(), {.snapshots = {snapshot}, .min_keep = 1});
  };

  REQUIRE_FAILS(RunForget(fixture.Context(), fixture.Main(), {.policy = {.last = 1}}),
                ErrorCode::kCorrupt, ids[1].Hex());
  REQUIRE_FAILS(forget(ids[1].Hex().substr(0, 4)), ErrorCode::kNotFound, "");
  CHECK(fixture.Has(ids[1]));

  CHECK(Unwrap(forget(ids[1].Hex().substr(0, 8))).forgotten == 1);
  CHECK_FALSE(fixture.Has(ids[1]));
  CHECK(fixture.Has(ids[0]));
  CHECK(Unwrap(RunForget(fixture.Context(), fixture.Main(), {.policy = {.last = 1}, .min_keep = 1}))
            .forgotten == 1);
}

TEST_CASE("forget: an unreadable snapshot stays, however it is named") {
  ForgetFixture fixture;
  const auto ids = fixture.Save("one", 3);
  const JobContext context = fixture.Failing({.code = ErrorCode::kUnsupported,
                                              .calls = {testing::StorageCall::kGet},
                                              .kind = FileKind::kSnapshot});
  REQUIRE_FAILS(RunForget(context, fixture.Main(), {.policy = {.last = 1}}),
                ErrorCode::kUnsupported, "injected");
  REQUIRE_FAILS(
      RunForget(context, fixture.Main(), {.snapshots = {ids[0].Hex()}, .allow_below_floor = true}),
      ErrorCode::kUnsupported, ids[0].Hex());
  CHECK(fixture.CountFiles(kUrl, FileKind::kSnapshot) == 3);
}

TEST_CASE("forget: nothing is removed while a listed snapshot cannot be found") {
  ForgetFixture fixture;
  const auto ids = fixture.Save("one", 3);
  const JobContext context = fixture.Failing({.code = ErrorCode::kNotFound,
                                              .calls = {testing::StorageCall::kGet},
                                              .kind = FileKind::kSnapshot,
                                              .first = 1,
                                              .last = 1});
  ForgetOptions options{.policy = {.last = 1}, .allow_below_floor = true};

  REQUIRE_FAILS(RunForget(context, fixture.Main(), options), ErrorCode::kUnavailable,
                "was listed but does not exist");
  CHECK(fixture.CountFiles(kUrl, FileKind::kSnapshot) == 3);
  // Without a lock, another forget may be running.
  options.dry_run = true;
  CHECK(Unwrap(RunForget(context, fixture.Main(), options)).forgotten == 1);
}

TEST_CASE("forget: waits for other locks up to its limit, then names the holder") {
  ForgetFixture fixture;
  fixture.Save("one", 2);
  auto holder =
      Unwrap(RepositorySession::Open(fixture.Context(), fixture.Main(), LockUse::kRequired));
  const ForgetOptions options{.policy = {.last = 1}, .allow_below_floor = true};

  REQUIRE_FAILS(RunForget(fixture.Context(), fixture.Main(), options), ErrorCode::kBusy,
                "locked by");
  CHECK(fixture.CountFiles(kUrl, FileKind::kSnapshot) == 2);

  JobContext patient = fixture.Context();
  patient.retry_lock = std::chrono::minutes(1);
  unsigned waits = 0;
  patient.lock_options.wait = [&](std::chrono::milliseconds time) {
    fixture.clock.Advance(time);
    if (++waits == 3) holder.reset();
  };
  CHECK(Unwrap(RunForget(patient, fixture.Main(), options)).forgotten == 1);
}

TEST_CASE("locks: are listed, and only dead ones are removed unless all are requested") {
  ForgetFixture fixture;
  auto session =
      Unwrap(RepositorySession::Open(fixture.Context(), fixture.Main(), LockUse::kRequired));
  const repository::LockRecord old{fixture.clock.Now() - std::chrono::minutes(45),
                                   true,
                                   {.host = "away", .user = "eve", .pid = 7}};
  Unwrap(session->repository().files().Save(FileKind::kLock, AsBytes(repository::EncodeLock(old))));

  const LockListReport list = Unwrap(RunLockList(fixture.Context(), fixture.Main()));
  REQUIRE(list.locks.size() == 2);
  CHECK(list.locks[0].is_stale);
  CHECK(list.locks[0].lock.exclusive);
  CHECK_FALSE(list.locks[1].is_stale);

  const UnlockReport unlocked = Unwrap(RunUnlock(fixture.Context(), fixture.Main(), false));
  CHECK(unlocked.removed == 1);
  CHECK(unlocked.left == 1);
  CHECK(Unwrap(RunUnlock(fixture.Context(), fixture.Main(), true)).removed == 1);
  CHECK(fixture.CountFiles(kUrl, FileKind::kLock) == 0);
}

}  // namespace
}  // namespace holdfast::jobs
