#include "agent/jobs/parts/compose_job.h"

#include <algorithm>
#include <functional>
#include <set>

#include "agent/jobs/backup/held_parts.h"
#include "agent/jobs/parts/part_record.h"
#include "common/repository/store/own_locks.h"
#include "common/storage/retry_storage.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/forwarding_storage.h"
#include "tests/unit/jobs/jobs_fixture.h"

namespace holdfast::jobs {
namespace {

using testing::Unwrap;

struct ComposeFixture : Cluster {
  // Saves a part on each node, with the data on n1, and prepares the order for all of them.
  ComposeFixture() {
    for (const char* node : {"n1", "n2", "n3"}) {
      const BackupScope scope =
          std::string(node) == "n1" ? BackupScope::kWhole : BackupScope::kMember;
      Saved part = Save(node, scope);
      request.parts.push_back({.node = node, .tree = part.tree, .scope = scope});
      held.Add(node, std::move(part.held));
      fixture.clock.Advance(std::chrono::seconds(1));
    }
    request.kind = "ring";
    request.name = "r";
    request.host = "prod";
    request.note = "a note";
    request.cut_barrier_met = true;
  }

  Result<ComposedSnapshot> Compose(const std::string& node = "n1") { return Compose(On(node)); }
  Result<ComposedSnapshot> Compose(const JobContext& context) {
    ComposeReport report = RunCompose(context, Address(), request, journal, deadline);
    began = report.began;
    if (report.error) return Fail(*report.error);
    return report.snapshot;
  }
  testing::MemoryStorage& storage() { return fixture.storages["memory:main"]; }
  std::vector<FileName> FilesOf(FileKind kind) { return testing::FileNames(storage(), kind); }
  // Stores a part of this node, with no content except a part.json that `change` has modified. Each
  // "LONG" in it becomes a text of 1 MB.
  repository::Id Forge(const std::string& node, const std::function<void(PartRecord&)>& change) {
    auto session = Unwrap(RepositorySession::Open(On(node), Address(), LockUse::kRequired));
    REQUIRE_OK(session->repository().index().Load({}));
    PartRecord record;
    record.manifest = testing::ManifestOf("ring", "r");
    record.manifest.run = run;
    record.manifest.parts = {{.node = node}};
    change(record);
    auto writer = repository::PartWriter::Begin(session->repository(), {.lock = session->lock()});
    std::string text = EncodePartRecord(record);
    for (std::size_t at = 0; (at = text.find("LONG", at)) != text.npos;)
      text.replace(at, 4, std::string(1'000'000, 'x'));
    REQUIRE_OK(writer->AddOwnFile(kPartRecordName, AsBytes(text), {}));
    return Unwrap(writer->Finish()).tree;
  }
  void RemoveSnapshots() { testing::RemoveFiles(storage(), FileKind::kSnapshot); }
  // All files except locks.
  std::size_t CountAll() {
    return Count(FileKind::kPack) + Count(FileKind::kIndex) + Count(FileKind::kSnapshot);
  }
  std::vector<repository::SnapshotInfo> Snapshots() {
    auto session = Unwrap(RepositorySession::Open(On("n1"), Address(), LockUse::kNone));
    return Unwrap(repository::ListSnapshots(session->repository()));
  }

  ComposeRequest request;
  MemorySealedJournal journal;
  WallTime deadline = fixture.clock.Now() + std::chrono::hours(1);
  bool began = false;
  HeldParts held;
};

TEST_CASE("compose: parts of three nodes become one snapshot") {
  ComposeFixture compose;
  const WallTime end = compose.fixture.clock.Now();

  ComposedSnapshot composed = Unwrap(compose.Compose("n2"));

  REQUIRE(compose.began);
  REQUIRE(compose.journal.announced.id == composed.id);
  REQUIRE(compose.journal.announced.manifest == composed.manifest);
  REQUIRE_FALSE(composed.was_there);
  REQUIRE_FALSE(composed.is_partial);
  auto snapshots = compose.Snapshots();
  REQUIRE(snapshots.size() == 1);
  const repository::SnapshotInfo& snapshot = snapshots[0];
  REQUIRE(snapshot.id == composed.id);
  REQUIRE(snapshot.host == "prod");
  REQUIRE(snapshot.paths == std::vector<std::string>{"/ring/r"});
  REQUIRE(snapshot.tags == std::vector<std::string>{"run:" + compose.run, "cluster:prod",
                                                    "kind:ring", "note:a note"});
  auto session =
      Unwrap(RepositorySession::Open(compose.On("n1"), compose.Address(), LockUse::kRequired));
  REQUIRE_OK(session->repository().index().Load({}));
  auto view = Unwrap(repository::OpenSnapshot(session->repository(), snapshot));
  REQUIRE(testing::PathsOf(*view) ==
          std::vector<std::string>{"data/", "data/a", "data/b", "manifest.json", "members/",
                                   "members/n1/", "members/n1/conf", "members/n2/",
                                   "members/n2/conf", "members/n3/", "members/n3/conf"});
  const Manifest& manifest = *view->manifest();
  REQUIRE(manifest == composed.manifest);
  REQUIRE(manifest.position.at("revision") == "7");
  REQUIRE(manifest.cut_barrier == true);
  REQUIRE(manifest.note == "a note");
  REQUIRE(manifest.node.empty());
  REQUIRE(manifest.topology == "replicated");
  REQUIRE(manifest.parts.size() == 3);
  REQUIRE(manifest.parts[2].node == "n3");
  REQUIRE(manifest.parts[2].tree_id == compose.request.parts[2].tree.Hex());
  REQUIRE(manifest.parts[2].cut_time == end - std::chrono::seconds(1));
  REQUIRE(manifest.cut_time == *manifest.parts[0].cut_time);
}

TEST_CASE(
    "compose: missing items and members are named with their node, and make the snapshot partial") {
  ComposeFixture compose;
  compose.fixture.world.unreadable.emplace("members/n2/conf", Error(ErrorCode::kDenied, "no"));
  Cluster::Saved worse = compose.Save("n2", BackupScope::kMember);
  compose.request.parts[1].tree = worse.tree;
  compose.request.parts.pop_back();
  compose.request.lacking = {{"n3", "it did not answer"}};

  ComposedSnapshot composed = Unwrap(compose.Compose());

  REQUIRE(composed.is_partial);
  REQUIRE(std::ranges::count(compose.Snapshots().at(0).tags, "partial") == 1);
  const std::vector<Missing>& missing = composed.manifest.missing;
  REQUIRE(missing.size() == 2);
  REQUIRE(missing[0].what == "n2: members/n2/conf");
  REQUIRE(missing[1] == Missing{"members/n3", "it did not answer", ""});
}

TEST_CASE("compose: a second composer finds the first one's snapshot and writes nothing") {
  ComposeFixture compose;
  ComposedSnapshot first = Unwrap(compose.Compose("n1"));
  const std::size_t files = compose.CountAll();
  compose.journal.recorded.reset();  // as on another node
  compose.deadline = compose.fixture.clock.Now() - std::chrono::minutes(1);

  ComposedSnapshot second = Unwrap(compose.Compose("n3"));

  REQUIRE(second.was_there);
  REQUIRE(second.id == first.id);
  REQUIRE(second.manifest == first.manifest);
  REQUIRE_FALSE(compose.journal.recorded);
  REQUIRE_FALSE(compose.began);
  REQUIRE(compose.CountAll() == files);
}

TEST_CASE("compose: a killed composer writes identical bytes again") {
  ComposeFixture compose;
  ComposedSnapshot first = Unwrap(compose.Compose());
  const FileName name = compose.FilesOf(FileKind::kSnapshot).at(0);
  const Bytes bytes = Unwrap(compose.storage().Get(name, {}));
  compose.RemoveSnapshots();  // as if killed before the write
  const std::size_t files = compose.CountAll();

  ComposedSnapshot again = Unwrap(compose.Compose());

  REQUIRE(again.id == first.id);
  REQUIRE_FALSE(again.was_there);
  REQUIRE(Unwrap(compose.storage().Get(name, {})) == bytes);
  REQUIRE(compose.CountAll() == files + 1);
}

TEST_CASE("compose: a journaled snapshot of another order is not written") {
  ComposeFixture compose;
  Unwrap(compose.Compose());
  compose.RemoveSnapshots();
  const std::string run = compose.run;
  compose.run = "01HF7YAT000000000000000000";
  REQUIRE_FAILS(compose.Compose(), ErrorCode::kCorrupt, "the journal's snapshot is of");
  compose.run = run;
  compose.journal.recorded->back() ^= 1;
  REQUIRE_FAILS(compose.Compose(), ErrorCode::kCorrupt, "read the journal's snapshot");
  REQUIRE(compose.Count(FileKind::kSnapshot) == 0);
}

TEST_CASE("compose: a missing pack is named with its part, and nothing is written") {
  std::set<std::string> refused;
  ComposeFixture compose;
  const std::vector<FileName> packs = compose.FilesOf(FileKind::kPack);
  for (const FileName& pack : packs) {
    const Bytes whole = Unwrap(compose.storage().Get(pack, {}));
    REQUIRE_OK(compose.storage().Remove(pack));
    const std::size_t files = compose.CountAll();
    Result<ComposedSnapshot> outcome = compose.Compose();
    REQUIRE_FAILS(outcome, ErrorCode::kCorrupt, "pack " + pack.name);
    const std::string text = outcome.error().message();
    const std::size_t at = text.find("part of node \"");
    REQUIRE(at != std::string::npos);
    refused.insert(text.substr(at, 16));
    REQUIRE(compose.CountAll() == files);
    REQUIRE_FALSE(compose.journal.recorded);
    REQUIRE_OK(compose.storage().Put(pack, whole, PutMode::kReplace));
  }
  REQUIRE(refused.size() == 3);  // each part had its own packs
  REQUIRE_OK(compose.Compose());
}

TEST_CASE("compose: an invalid or unexpected part is refused") {
  ComposeFixture compose;
  SECTION("of another node") {
    std::swap(compose.request.parts[1].tree, compose.request.parts[2].tree);
    REQUIRE_FAILS(compose.Compose(), ErrorCode::kCorrupt,
                  "part of node \"n2\": its part.json belongs to");
  }
  SECTION("of another run") {
    compose.run = "01HF7YAT000000000000000000";
    REQUIRE_FAILS(compose.Compose(), ErrorCode::kCorrupt,
                  "part of node \"n1\": its part.json belongs to");
  }
  SECTION("a tree that is not a part") {
    JobContext context = compose.On("n1");
    BackupTask task(context, {.settings = &compose.Source("n1", "fake")});
    REQUIRE_OK(task.Prepare());
    REQUIRE_OK(task.Cut());
    REQUIRE_OK(task.Save());
    compose.request.parts[1].tree = task.saved().tree;
    REQUIRE_FAILS(compose.Compose(), ErrorCode::kCorrupt, "has no part.json");
  }
  SECTION("never saved") {
    compose.request.parts[1].tree = repository::Id{{1}};
    REQUIRE_FAILS(compose.Compose(), ErrorCode::kCorrupt, "part of node \"n2\": tree blob 01");
  }
  REQUIRE(compose.Count(FileKind::kSnapshot) == 0);
}

// A change that a node makes to its part.json.
struct ForgedRecord {
  const char* what;
  std::function<void(PartRecord&)> change;
  const char* error;  // of the composer
};

TEST_CASE("compose: a part.json that does not match the order is refused") {
  const ForgedRecord forged = GENERATE(
      ForgedRecord{"another kind", [](auto& r) { r.manifest.kind = "etcd"; }, "to \"etcd/r\""},
      ForgedRecord{"another source", [](auto& r) { r.manifest.name = "q"; }, "to \"ring/q\""},
      ForgedRecord{"another run", [](auto& r) { r.manifest.run = "01HF7YAT000000000000000000"; },
                   "run \"01HF7YAT000000000000000000\""},
      ForgedRecord{"another node", [](auto& r) { r.manifest.parts[0].node = "n1"; }, "node \"n1\""},
      ForgedRecord{"the data", [](auto& r) { r.has_data = true; }, "a part with data"},
      ForgedRecord{"a rest", [](auto& r) { r.manifest.parts[0].is_rest = true; }, "a rest"},
      ForgedRecord{"two parts", [](auto& r) { r.manifest.parts.resize(2); }, "describes 2 parts"},
      ForgedRecord{"a count", [](auto& r) { r.statistics.items = ~std::uint64_t{0}; },
                   "items is not a count"});
  INFO(forged.what);
  ComposeFixture compose;
  compose.request.parts[1].tree = compose.Forge("n2", forged.change);

  REQUIRE_FAILS(compose.Compose(), ErrorCode::kCorrupt, forged.error);

  REQUIRE(compose.Count(FileKind::kSnapshot) == 0);
}

TEST_CASE("compose: the texts of a part.json are shortened, and its cluster is ignored") {
  ComposeFixture compose;
  compose.request.parts[0].tree = compose.Forge("n1", [&](PartRecord& record) {
    record.has_data = true;
    record.manifest.cluster = "elsewhere";
    record.manifest.warnings = {"LONG"};
    record.manifest.missing = {{"LONG", "LONG", "LONG"}};
    record.manifest.identity["version"] = "LONG";
  });

  const ComposedSnapshot composed = Unwrap(compose.Compose());

  REQUIRE(composed.manifest.cluster == "prod");
  REQUIRE(composed.manifest.warnings == std::vector{"n1: " + std::string(4096, 'x')});
  REQUIRE(composed.manifest.missing.at(0).remedy.size() == 4096);
  REQUIRE(composed.manifest.identity.at("version").size() == 4096);
}

TEST_CASE("compose: an inconsistent order is refused") {
  ComposeFixture compose;
  SECTION("no data") { compose.request.parts[0].scope = BackupScope::kMember; }
  SECTION("data twice") { compose.request.parts[1].scope = BackupScope::kWhole; }
  SECTION("a node twice") { compose.request.parts[1].node = "n3"; }
  SECTION("no host") { compose.request.host.clear(); }
  REQUIRE_FAILS(compose.Compose(), ErrorCode::kInvalidArgument, "compose \"ring/r\"");
}

TEST_CASE("compose: after the deadline nothing becomes visible, however late it is noticed") {
  ComposeFixture compose;
  compose.deadline = compose.fixture.clock.Now() + std::chrono::minutes(10);
  compose.journal.on_record = [&] { compose.fixture.clock.Advance(std::chrono::minutes(10)); };

  REQUIRE_FAILS(compose.Compose(), ErrorCode::kTimedOut, "expired at ");

  REQUIRE(compose.Count(FileKind::kSnapshot) == 0);
  REQUIRE(compose.journal.recorded);
  REQUIRE_FALSE(compose.began);
  REQUIRE_FAILS(compose.Compose(), ErrorCode::kTimedOut, "expired at ");
  REQUIRE(compose.Count(FileKind::kSnapshot) == 0);
}

TEST_CASE("compose: a stop or a journal error leaves nothing visible") {
  ComposeFixture compose;
  std::stop_source stop;
  SECTION("stopped") {
    stop.request_stop();
    REQUIRE_FAILS(compose.Compose(compose.On("n1", stop.get_token())), ErrorCode::kCancelled, "");
  }
  SECTION("journal") {
    compose.journal.failure = Error(ErrorCode::kNoSpace, "disk full");
    REQUIRE_FAILS(compose.Compose(), ErrorCode::kNoSpace, "disk full");
  }
  REQUIRE(compose.Count(FileKind::kSnapshot) == 0);
}

TEST_CASE("compose: the next run has the composed snapshot as parent") {
  ComposeFixture compose;
  ComposedSnapshot first = Unwrap(compose.Compose());
  compose.fixture.clock.Advance(std::chrono::hours(1));
  compose.run = MakeUlid(compose.fixture.clock, compose.fixture.random);
  compose.journal.recorded.reset();
  for (ComposeRequest::Part& part : compose.request.parts) {
    auto saved = compose.Save(part.node, part.scope);
    part.tree = saved.tree;
    compose.held.Add(part.node, std::move(saved.held));
  }
  compose.deadline += std::chrono::hours(2);

  ComposedSnapshot second = Unwrap(compose.Compose());

  REQUIRE(second.parent == first.id);
  REQUIRE(compose.Snapshots().size() == 2);
}

// A separate process whose storage fails the first writes of snapshot files.
struct FaultyProcess {
  FaultyProcess(ComposeFixture& fixture, std::uint64_t failures, bool after_the_work)
      : context(fixture.On("n1")) {
    context.repositories = &pool;
    context.open_storage = [this, &fixture, failures, after_the_work](
                               const StorageAddress&) -> Result<std::unique_ptr<Storage>> {
      auto opened = std::make_unique<testing::FaultyStorage>(
          std::make_unique<testing::BorrowedStorage>(fixture.storage()));
      opened->Set({.code = ErrorCode::kUnavailable,
                   .calls = {testing::StorageCall::kPut},
                   .kind = FileKind::kSnapshot,
                   .last = failures,
                   .after_the_work = after_the_work});
      return opened;
    };
  }

  RepositoryPool pool;
  JobContext context;
};

TEST_CASE("compose: a write with unknown outcome is repeated with the same bytes") {
  for (bool after_the_work : {true, false}) {
    ComposeFixture compose;
    FaultyProcess process(compose, 3, after_the_work);

    ComposedSnapshot composed = Unwrap(compose.Compose(process.context));

    REQUIRE(compose.Snapshots().size() == 1);
    REQUIRE(compose.Snapshots()[0].id == composed.id);
  }
}

TEST_CASE("compose: an unreachable storage is given up at the deadline, with its own error") {
  ComposeFixture compose;
  FaultyProcess process(compose, UINT64_MAX, false);
  compose.deadline = compose.fixture.clock.Now() + std::chrono::minutes(10);
  unsigned pauses = 0;
  process.context.lock_options.wait = [&](std::chrono::milliseconds time) {
    compose.fixture.clock.Advance(time);
    ++pauses;
  };

  REQUIRE_FAILS(compose.Compose(process.context), ErrorCode::kUnavailable, "compose \"ring/r\"");

  REQUIRE(compose.began);
  REQUIRE(compose.Count(FileKind::kSnapshot) == 0);
  REQUIRE(pauses < 50);  // their length grows
}

TEST_CASE("compose: a storage with its own retries also ends at the deadline") {
  struct AwayStorage final : testing::ForwardingStorage {
    using ForwardingStorage::ForwardingStorage;
    Result<void> Put(const FileName& name, ByteView content, PutMode mode) override {
      if (is_away(name.kind)) return Fail(ErrorCode::kUnavailable, "away");
      return ForwardingStorage::Put(name, content, mode);
    }
    std::function<bool(FileKind)> is_away;
  };
  ComposeFixture compose;
  testing::ManualClock& clock = compose.fixture.clock;
  compose.deadline = clock.Now() + std::chrono::minutes(10);
  JobContext context = compose.On("n1");
  RepositoryPool pool;
  context.repositories = &pool;
  context.open_storage = [&](const StorageAddress&) -> Result<std::unique_ptr<Storage>> {
    auto inner = std::make_unique<AwayStorage>(compose.storage());
    inner->is_away = [&](FileKind kind) {
      return kind == FileKind::kSnapshot && clock.Now() < compose.deadline;
    };
    return std::make_unique<RetryStorage>(std::move(inner), RetryPolicy{}, clock,
                                          compose.fixture.random, [&](auto time) -> Result<void> {
                                            clock.Advance(time);
                                            return {};
                                          });
  };

  REQUIRE_FAILS(compose.Compose(context), ErrorCode::kTimedOut, "expired at");

  REQUIRE(compose.Count(FileKind::kSnapshot) == 0);
}

TEST_CASE("held parts: locks are released when the parts are composed or released") {
  ComposeFixture compose;
  REQUIRE(compose.held.size() == 3);
  REQUIRE(compose.Count(FileKind::kLock) == 1);
  REQUIRE_FALSE(compose.held.Release("other"));
  REQUIRE(compose.held.Release("n1"));
  REQUIRE(compose.held.Release("n2"));
  REQUIRE(compose.Count(FileKind::kLock) == 1);
  REQUIRE(compose.held.Release("n3"));
  REQUIRE_FALSE(compose.held.Release("n3"));
  REQUIRE(compose.Count(FileKind::kLock) == 0);
}

// Leaves what a dead process leaves: its lock, and the record that it took it.
void LeaveDeadLock(Cluster& cluster) {
  JobContext context = cluster.On("n1");
  context.repositories = nullptr;
  auto session = Unwrap(RepositorySession::Open(context, cluster.Address(), LockUse::kRequired));
  const repository::Id lock = session->lock()->id();
  const std::string repository = session->repository().config().id;
  testing::MemoryStorage& storage = cluster.fixture.storages["memory:main"];
  const FileName name{FileKind::kLock, lock.Hex()};
  const Bytes content = Unwrap(storage.Get(name, {}));
  session.reset();
  REQUIRE_OK(storage.Put(name, content, PutMode::kReplace));
  REQUIRE(repository::LocalLocks(context.OwnLockOptions().own_locks, repository).Remember(lock));
}

TEST_CASE("held parts: after a restart there is always a lock") {
  Cluster cluster;
  LeaveDeadLock(cluster);
  REQUIRE(cluster.Count(FileKind::kLock) == 1);
  HeldParts held;
  const std::vector<UncomposedPart> parts = {{"1", "ring/r", "main"}, {"2", "ring/s", "main"}};
  // The old lock exists while the new one is taken, and is removed afterwards.
  std::size_t locks_when_taken = 0;
  JobContext context = cluster.On("n1");
  context.lock_options.wait = [&](std::chrono::milliseconds) {
    locks_when_taken = cluster.Count(FileKind::kLock);
  };

  REQUIRE(held.TakeUp(context, parts).empty());

  REQUIRE(locks_when_taken == 2);
  REQUIRE(cluster.Count(FileKind::kLock) == 1);
  REQUIRE(held.size() == 2);
  REQUIRE(held.TakeUp(context, parts).empty());
  REQUIRE(held.size() == 2);
  REQUIRE(held.Release("1"));
  REQUIRE(held.Release("2"));
  REQUIRE(cluster.Count(FileKind::kLock) == 0);
}

TEST_CASE("held parts: dead locks are removed even if no part waits") {
  Cluster cluster;
  LeaveDeadLock(cluster);
  HeldParts held;
  REQUIRE(held.TakeUp(cluster.On("n1"), {}).empty());
  REQUIRE(cluster.Count(FileKind::kLock) == 0);
  // An unreachable repository is no obstacle.
  JobContext context = cluster.On("n1");
  context.open_storage = [](const StorageAddress&) -> Result<std::unique_ptr<Storage>> {
    return Fail(ErrorCode::kUnavailable, "not mounted");
  };
  REQUIRE(held.TakeUp(context, {}).empty());
}

TEST_CASE("held parts: a part that cannot be held is reported, and the rest is held") {
  Cluster cluster;
  HeldParts held;
  auto failed = held.TakeUp(cluster.On("n1"), {{"1", "ring/r", "gone"}, {"2", "ring/s", "main"}});
  REQUIRE(failed.size() == 1);
  REQUIRE_THAT(failed[0].message(),
               Catch::Contains("hold the part of \"ring/r\": repository \"gone\" is no longer"));
  REQUIRE(held.size() == 1);
}

}  // namespace
}  // namespace holdfast::jobs
