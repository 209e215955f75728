#include "agent/jobs/backup/backup_task.h"

#include <filesystem>

#include "agent/jobs/parts/part_record.h"
#include "common/repository/snapshot/repository_view.h"
#include "tests/support/catch.h"
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

TEST_CASE("backup task: a saved part is durable and invisible, and has its metadata") {
  Cluster cluster;
  cluster.fixture.world.unreadable.emplace("data/b", Error(ErrorCode::kDenied, "no right"));
  BackupTask task(cluster.On("n1"),
                  {.settings = &cluster.Source("n1"), .note = "a note", .compose = false});
  REQUIRE_OK(task.Prepare());
  WallTime cut = Unwrap(task.Cut());
  REQUIRE_OK(task.Save());

  REQUIRE(cluster.Count(FileKind::kSnapshot) == 0);
  const SavedPart& saved = task.saved();
  REQUIRE(saved.node == "n1");
  REQUIRE(HasData(saved.scope));
  REQUIRE(saved.items == 3);  // the directory, a file and the member's file, but not part.json
  REQUIRE(saved.bytes_stored > 0);
  HeldPart held = task.TakePart();
  auto view = ViewOf(held.repository->repository(), saved.tree);
  REQUIRE(Names(view, "") == std::vector<std::string>{"data", "members", "part.json"});
  std::uint64_t left = kPartRecordsBytesMax;
  PartRecord record = Unwrap(LoadPartRecord(held.repository->repository(), saved.tree, left));
  REQUIRE(left < kPartRecordsBytesMax);
  std::uint64_t too_few = 10;
  REQUIRE_FAILS(LoadPartRecord(held.repository->repository(), saved.tree, too_few),
                ErrorCode::kCorrupt, "is too long; at most 10 B");
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

TEST_CASE("backup task: data saved by an interrupted run is not read again") {
  JobsFixture fixture;
  fixture.world.has_inodes = true;
  const BackupTaskOptions options{.settings = &fixture.settings.sources.at(0)};
  const auto save = [&](BackupTask& task) {
    REQUIRE_OK(task.Prepare());
    Unwrap(task.Cut());
    REQUIRE_OK(task.Save());
  };
  {
    BackupTask interrupted(fixture.Context(), options);
    save(interrupted);
  }
  REQUIRE(fixture.world.files_read == std::vector<std::string>{"data/a", "data/b"});

  fixture.world.files_read.clear();
  fixture.world.live["data/aa"] = "new";
  fixture.world.live["data/b"] = "longer than before";
  BackupTask task(fixture.Context(), options);
  save(task);
  Unwrap(task.Compose());

  CHECK(fixture.world.files_read == std::vector<std::string>{"data/aa", "data/b"});
  const BackupTaskReport report = task.TakeReport({});
  CHECK(report.counts.items == 4);
  CHECK(report.bytes_read == 3 + 18);
  CHECK(report.warnings.empty());
  auto session = Unwrap(RepositorySession::Open(fixture.Context(),
                                                fixture.AllRepositories().front(), LockUse::kNone));
  repository::Repository& repository = session->repository();
  REQUIRE_OK(repository.index().Load({}));
  auto view = Unwrap(
      repository::OpenSnapshot(repository, Unwrap(repository::ListSnapshots(repository)).at(0)));
  CHECK(TextAt(*view, "data/a") == "alpha");
  CHECK(TextAt(*view, "data/b") == "longer than before");
  CHECK(std::filesystem::is_empty(fixture.settings.state_dir + "/resume"));
}

TEST_CASE("backup task: a member's part contains only that member's files") {
  Cluster cluster;
  Cluster::Saved saved = cluster.Save("n2", BackupScope::kMember);

  repository::Repository& repository = saved.held.repository->repository();
  auto view = ViewOf(repository, saved.tree);
  REQUIRE(Names(view, "") == std::vector<std::string>{"members", "part.json"});
  REQUIRE(Names(view, "members") == std::vector<std::string>{"n2"});
  REQUIRE(TextAt(view, "members/n2/conf") == "two");
  std::uint64_t left = kPartRecordsBytesMax;
  REQUIRE_FALSE(Unwrap(LoadPartRecord(repository, saved.tree, left)).has_data);
}

TEST_CASE("backup task: a kind without a member scope refuses it before it is opened") {
  Cluster cluster;
  BackupTask task(
      cluster.On("n1"),
      {.settings = &cluster.Source("n1", "fake"), .scope = BackupScope::kMember, .compose = false});
  REQUIRE_FAILS(task.Prepare(), ErrorCode::kUnsupported, "kind \"fake\" cannot save a member's");
  REQUIRE(std::ranges::count(cluster.fixture.world.steps, "open backup") == 0);
}

TEST_CASE("backup task: the source is locked from Prepare() until Save() returns") {
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

TEST_CASE(
    "backup task: the repository's lock outlives the task, and is released with the held part") {
  Cluster cluster;
  {
    Cluster::Saved held = cluster.Save("n1", BackupScope::kWhole);
    REQUIRE(cluster.Count(FileKind::kLock) == 1);
    Cluster::Saved other = cluster.Save("n2", BackupScope::kMember);
    REQUIRE(cluster.Count(FileKind::kLock) == 1);  // one for the whole process
  }
  REQUIRE(cluster.Count(FileKind::kLock) == 0);
  {
    BackupTask given_up(cluster.On("n1"), {.settings = &cluster.Source("n1"), .compose = false});
    REQUIRE_OK(given_up.Prepare());
    REQUIRE(cluster.Count(FileKind::kLock) == 1);
  }
  REQUIRE(cluster.Count(FileKind::kLock) == 0);
}

TEST_CASE("backup task: a stop ends every step, and releases everything") {
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
      if (steps == 3 && !task.Compose()) stopped = Fail(ErrorCode::kCancelled, "");
      INFO(steps);
      REQUIRE_FAILS(stopped, ErrorCode::kCancelled, "");
    }
    REQUIRE(cluster.Count(FileKind::kSnapshot) == 0);
    REQUIRE(cluster.Count(FileKind::kLock) == 0);
  }
}

TEST_CASE("backup task: waiting between the steps is not counted") {
  Cluster cluster;
  BackupTask task(cluster.On("n1"), {.settings = &cluster.Source("n1")});
  REQUIRE_OK(task.Prepare());
  cluster.fixture.clock.Advance(std::chrono::seconds(100));
  Unwrap(task.Cut());
  cluster.fixture.clock.Advance(std::chrono::seconds(100));
  REQUIRE_OK(task.Save());
  REQUIRE_OK(task.Compose());

  BackupTaskReport report = task.TakeReport({});
  double total = 0;
  for (const auto& [phase, seconds] : report.seconds) total += seconds;
  REQUIRE(total < 50);
  REQUIRE(report.state == TaskOutcome::kDone);
  REQUIRE_FALSE(report.manifest.cut_barrier);
}

}  // namespace
}  // namespace holdfast::jobs
