#include "agent/jobs/backup_task.h"

#include <catch2/catch.hpp>

#include "agent/jobs/part_record.h"
#include "common/repository/repository_view.h"
#include "tests/unit/jobs/jobs_fixture.h"

namespace holdfast::jobs {
namespace {

using testing::Unwrap;

std::string TextAt(SnapshotView& view, const std::string& path) {
  auto reader = Unwrap(view.Open(path));
  return std::string(AsText(Unwrap(testing::ReadAll(*reader))));
}

std::vector<std::string> Names(SnapshotView& view, const std::string& path) {
  std::vector<std::string> names;
  Unwrap(view.List(path, [&](const ViewEntry& entry) {
    names.push_back(entry.name);
    return Result<void>{};
  }));
  return names;
}

repository::RepositoryView ViewOf(repository::Repository& repository, const repository::Id& tree) {
  repository::TreeNode top;
  top.attributes.type = NodeType::kDirectory;
  top.subtree = tree;
  return {repository, tree, std::move(top), std::nullopt};
}

TEST_CASE("backup task: a part that waits is durable, invisible, and says what it is") {
  Cluster cluster;
  cluster.fixture.world.unreadable.emplace("data/b", Error(ErrorCode::kDenied, "no right"));
  BackupTask task(cluster.On("n1"),
                  {.settings = &cluster.Source("n1"), .note = "a note", .compose = false});
  REQUIRE_OK(task.Prepare());
  REQUIRE_FALSE(task.composed());
  WallTime cut = Unwrap(task.Cut());
  REQUIRE_OK(task.Save());

  REQUIRE(cluster.Count(FileKind::kSnapshot) == 0);
  const SavedPart& saved = task.saved();
  REQUIRE(saved.node == "n1");
  REQUIRE(saved.has_data);
  REQUIRE(saved.items == 3);  // the directory, a file, the member's file; not part.json
  REQUIRE(saved.bytes_stored > 0);
  HeldPart held = task.TakePart();
  REQUIRE(held.source == "ring/r");
  auto view = ViewOf(held.repository->repository(), held.tree);
  REQUIRE(Names(view, "") == std::vector<std::string>{"data", "members", "part.json"});
  PartRecord record = Unwrap(LoadPartRecord(held.repository->repository(), held.tree));
  REQUIRE(record.has_data);
  REQUIRE(record.is_partial);
  REQUIRE(record.manifest.run == cluster.run);
  REQUIRE(record.manifest.note == "a note");
  REQUIRE(record.manifest.cut_time == cut);
  REQUIRE(record.manifest.position.at("revision") == "7");
  REQUIRE(record.manifest.missing.at(0).what == "data/b");
  REQUIRE(record.manifest.parts.at(0).node == "n1");
  REQUIRE(record.statistics.items == 3);
  REQUIRE(record.statistics.blobs.data_blobs == 2);
}

TEST_CASE("backup task: a member's part holds only what that member has") {
  Cluster cluster;
  HeldPart held = cluster.Save("n2", BackupScope::kMember);

  auto view = ViewOf(held.repository->repository(), held.tree);
  REQUIRE(Names(view, "") == std::vector<std::string>{"members", "part.json"});
  REQUIRE(Names(view, "members") == std::vector<std::string>{"n2"});
  REQUIRE(TextAt(view, "members/n2/conf") == "two");
  REQUIRE_FALSE(Unwrap(LoadPartRecord(held.repository->repository(), held.tree)).has_data);
}

TEST_CASE("backup task: a kind that has no members' scope refuses it before it is asked") {
  Cluster cluster;
  BackupTask task(
      cluster.On("n1"),
      {.settings = &cluster.Source("n1", "fake"), .scope = BackupScope::kMember, .compose = false});
  REQUIRE_FAILS(task.Prepare(), ErrorCode::kUnsupported, "kind \"fake\" cannot save a member's");
  REQUIRE(std::ranges::count(cluster.fixture.world.steps, "open backup") == 0);
}

TEST_CASE("backup task: the source is locked from Prepare() to the end of Save()") {
  Cluster cluster;
  const auto try_lock = [&] {
    return SourceSession::Open(cluster.On("n1"), cluster.Source("n1"), "restore");
  };
  BackupTask task(cluster.On("n1"), {.settings = &cluster.Source("n1"), .compose = false});
  REQUIRE_OK(try_lock());
  REQUIRE_OK(task.Prepare());
  REQUIRE_FAILS(try_lock(), ErrorCode::kBusy, "holdfast-agent backup");
  Unwrap(task.Cut());
  REQUIRE_FAILS(try_lock(), ErrorCode::kBusy, cluster.run);
  REQUIRE_OK(task.Save());
  REQUIRE_OK(try_lock());
}

TEST_CASE("backup task: the repository's lock outlives the task, and goes with the held part") {
  Cluster cluster;
  {
    HeldPart held = cluster.Save("n1", BackupScope::kWhole);
    REQUIRE(cluster.Count(FileKind::kLock) == 1);
    HeldPart other = cluster.Save("n2", BackupScope::kMember);
    REQUIRE(cluster.Count(FileKind::kLock) == 1);  // one for all of the process
  }
  REQUIRE(cluster.Count(FileKind::kLock) == 0);
  {
    BackupTask given_up(cluster.On("n1"), {.settings = &cluster.Source("n1"), .compose = false});
    REQUIRE_OK(given_up.Prepare());
    REQUIRE(cluster.Count(FileKind::kLock) == 1);
  }
  REQUIRE(cluster.Count(FileKind::kLock) == 0);
}

TEST_CASE("backup task: a stop ends every step, and nothing is held any more") {
  for (int steps = 0; steps <= 3; ++steps) {
    Cluster cluster;
    std::stop_source stop;
    {
      BackupTask task(cluster.On("n1", stop.get_token()), {.settings = &cluster.Source("n1")});
      if (steps > 0) REQUIRE_OK(task.Prepare());
      if (steps > 1) REQUIRE_OK(task.Cut());
      if (steps > 2) REQUIRE_OK(task.Save());
      stop.request_stop();
      Result<void> stopped;
      if (steps == 0) stopped = task.Prepare();
      if (steps == 1 && !task.Cut()) stopped = Fail(ErrorCode::kCancelled, "");
      if (steps == 2) stopped = task.Save();
      if (steps == 3 && !task.Compose(std::nullopt)) stopped = Fail(ErrorCode::kCancelled, "");
      INFO(steps);
      REQUIRE_FAILS(stopped, ErrorCode::kCancelled, "");
    }
    REQUIRE(cluster.Count(FileKind::kSnapshot) == 0);
    REQUIRE(cluster.Count(FileKind::kLock) == 0);
  }
}

TEST_CASE("backup task: waiting between the steps is nobody's time") {
  Cluster cluster;
  BackupTask task(cluster.On("n1"), {.settings = &cluster.Source("n1")});
  REQUIRE_OK(task.Prepare());
  cluster.fixture.clock.Advance(std::chrono::seconds(100));
  Unwrap(task.Cut());
  cluster.fixture.clock.Advance(std::chrono::seconds(100));
  REQUIRE_OK(task.Save());
  REQUIRE_OK(task.Compose(true));

  BackupTaskReport report = task.TakeReport({});
  double total = 0;
  for (const auto& [phase, seconds] : report.seconds) total += seconds;
  REQUIRE(total < 50);
  REQUIRE(report.state == TaskState::kDone);
  REQUIRE(report.manifest.cut_barrier == true);
}

// A task of one part under a plan, run once more.
struct AgainFixture {
  Result<ComposedSnapshot> Run() {
    BackupTask task(
        cluster.On("n1"),
        {.settings = &cluster.Source("n1", "fake"), .sealed = &journal, .put_deadline = deadline});
    HF_TRY(task.Prepare());
    if (task.composed()) return *task.composed();
    HF_TRY(task.Cut());
    HF_TRY(task.Save());
    return task.Compose(true);
  }
  void RemoveSnapshots() {
    std::vector<FileName> names;
    Unwrap(storage().List(FileKind::kSnapshot, [&](const FileInfo& file) -> Result<void> {
      names.push_back(file.name);
      return {};
    }));
    for (const FileName& name : names) Unwrap(storage().Remove(name));
  }
  testing::MemoryStorage& storage() { return cluster.fixture.storages["memory:main"]; }

  Cluster cluster;
  MemorySealedJournal journal;
  std::optional<WallTime> deadline;
};

TEST_CASE("backup task: run again, it finds the snapshot that it made") {
  AgainFixture again;
  ComposedSnapshot first = Unwrap(again.Run());
  REQUIRE_FALSE(first.was_there);
  again.cluster.fixture.world.steps.clear();

  ComposedSnapshot second = Unwrap(again.Run());

  REQUIRE(second.was_there);
  REQUIRE(second.id == first.id);
  REQUIRE(second.manifest == first.manifest);
  REQUIRE(std::ranges::count(again.cluster.fixture.world.steps, "prepare") == 0);
  REQUIRE(again.cluster.Count(FileKind::kSnapshot) == 1);
}

TEST_CASE("backup task: what was about to be written is written, to the byte") {
  AgainFixture again;
  ComposedSnapshot first = Unwrap(again.Run());
  again.RemoveSnapshots();  // as if it had been killed just before

  ComposedSnapshot second = Unwrap(again.Run());

  REQUIRE(second.id == first.id);
  REQUIRE_FALSE(second.was_there);
  REQUIRE(again.cluster.Count(FileKind::kSnapshot) == 1);
}

TEST_CASE("backup task: what was about to be written and has lost its packs is saved anew") {
  AgainFixture again;
  ComposedSnapshot first = Unwrap(again.Run());
  again.RemoveSnapshots();
  for (FileKind kind : {FileKind::kPack, FileKind::kIndex}) {
    std::vector<FileName> names;
    Unwrap(again.storage().List(kind, [&](const FileInfo& file) -> Result<void> {
      names.push_back(file.name);
      return {};
    }));
    for (const FileName& name : names) Unwrap(again.storage().Remove(name));
  }

  ComposedSnapshot second = Unwrap(again.Run());

  REQUIRE(second.id != first.id);
  REQUIRE(second.manifest.warnings.empty());
}

TEST_CASE("backup task: a journal that fails keeps the snapshot from becoming visible") {
  AgainFixture again;
  again.journal.on_record = [&] {
    again.journal.failure = Error(ErrorCode::kNoSpace, "disk full");
  };
  Unwrap(again.Run());  // the record itself was made
  again.RemoveSnapshots();
  REQUIRE_FAILS(again.Run(), ErrorCode::kNoSpace, "disk full");
  REQUIRE(again.cluster.Count(FileKind::kSnapshot) == 0);
}

TEST_CASE("backup task: after its deadline nothing becomes visible") {
  AgainFixture again;
  again.deadline = again.cluster.fixture.clock.Now() + std::chrono::minutes(10);
  again.journal.on_record = [&] { again.cluster.fixture.clock.Advance(std::chrono::minutes(10)); };
  REQUIRE_FAILS(again.Run(), ErrorCode::kTimedOut, "expired");
  REQUIRE(again.cluster.Count(FileKind::kSnapshot) == 0);
  REQUIRE_FAILS(again.Run(), ErrorCode::kTimedOut, "expired");  // not by the journal either
  REQUIRE(again.cluster.Count(FileKind::kSnapshot) == 0);
}

}  // namespace
}  // namespace holdfast::jobs
