#include "agent/jobs/session/repository_session.h"

#include "common/repository/store/blob_writer.h"
#include "tests/support/catch.h"
#include "tests/unit/jobs/jobs_fixture.h"

namespace holdfast::jobs {
namespace {

using testing::Unwrap;

TEST_CASE("repository pool: sessions share an open repository, and the last one closes it") {
  Cluster cluster;
  JobContext context = cluster.On("n1");
  auto first = Unwrap(RepositorySession::Open(context, cluster.Address(), LockUse::kRequired));
  auto second = Unwrap(RepositorySession::Open(context, cluster.Address(), LockUse::kRequired));
  auto reader = Unwrap(RepositorySession::Open(context, cluster.Address(), LockUse::kNone));

  REQUIRE(&first->repository() == &second->repository());
  REQUIRE(first->lock() == second->lock());
  REQUIRE(reader->lock() == nullptr);
  REQUIRE(cluster.Count(FileKind::kLock) == 1);
  first.reset();
  REQUIRE_OK(second->lock()->StillHeld());
  REQUIRE(cluster.Count(FileKind::kLock) == 1);
  second.reset();
  REQUIRE(cluster.Count(FileKind::kLock) == 0);
  REQUIRE_OK(repository::ListSnapshots(reader->repository()));
}

TEST_CASE("repository pool: a lost lock is not shared") {
  Cluster cluster;
  JobContext context = cluster.On("n1");
  auto first = Unwrap(RepositorySession::Open(context, cluster.Address(), LockUse::kRequired));
  cluster.fixture.clock.Advance(repository::kLockLostAge);
  REQUIRE_FALSE(first->lock()->StillHeld());

  auto second = Unwrap(RepositorySession::Open(context, cluster.Address(), LockUse::kRequired));

  REQUIRE(first->lock() != second->lock());
  REQUIRE_OK(second->lock()->StillHeld());
  first.reset();
  REQUIRE_OK(second->lock()->StillHeld());
  second.reset();
  REQUIRE(cluster.Count(FileKind::kLock) == 0);
}

TEST_CASE("repository pool: a repository that failed to open is tried again") {
  Cluster cluster;
  JobContext context = cluster.On("n1");
  context.open_storage = [](const StorageAddress&) -> Result<std::unique_ptr<Storage>> {
    return Fail(ErrorCode::kUnavailable, "not mounted");
  };
  REQUIRE_FAILS(RepositorySession::Open(context, cluster.Address(), LockUse::kNone),
                ErrorCode::kUnavailable, "open repository \"main\": not mounted");
  REQUIRE_OK(RepositorySession::Open(cluster.On("n1"), cluster.Address(), LockUse::kNone));
}

TEST_CASE("repository pool: later writes of other processes are seen by a shared repository") {
  Cluster cluster;
  const JobContext context = cluster.On("n1");
  auto keeper = Unwrap(RepositorySession::Open(context, cluster.Address(), LockUse::kRequired));
  Unwrap(keeper->repository().index().Load({}));
  JobContext elsewhere = cluster.On("n2");
  elsewhere.repositories = nullptr;
  BackupTask task(elsewhere, {.settings = &cluster.Source("n2", "fake"), .compose = false});
  Unwrap(task.Prepare());
  Unwrap(task.Cut());
  Unwrap(task.Save());

  auto session = Unwrap(RepositorySession::Open(context, cluster.Address(), LockUse::kRequired));
  Unwrap(session->repository().index().Load({}));

  REQUIRE(&session->repository() == &keeper->repository());
  REQUIRE(session->repository().index().Find(repository::BlobType::kTree, task.saved().tree));
}

TEST_CASE("repository pool: a recreated repository is not mistaken for the old one") {
  Cluster cluster;
  const JobContext context = cluster.On("n1");
  Unwrap(RepositorySession::Open(context, cluster.Address(), LockUse::kRequired));
  testing::MemoryStorage& storage = cluster.fixture.storages["memory:main"];
  for (FileKind kind : {FileKind::kConfig, FileKind::kKey}) {
    testing::RemoveFiles(storage, kind);
  }
  Unwrap(repository::Repository::Init(storage, Secret("secret word"),
                                      {.scrypt = testing::kCheapScrypt}, cluster.fixture.random,
                                      cluster.fixture.clock));

  auto session = Unwrap(RepositorySession::Open(context, cluster.Address(), LockUse::kRequired));

  REQUIRE_OK(session->repository().index().Load({}));
}

TEST_CASE("repository pool: cached content of a small repository is not read again") {
  Cluster cluster;
  {
    auto first =
        Unwrap(RepositorySession::Open(cluster.On("n1"), cluster.Address(), LockUse::kRequired));
    auto writer = repository::BlobWriter::Begin(first->repository(), first->lock());
    Unwrap(writer->Save(repository::BlobType::kData, ToBytes("content")));
    Unwrap(writer->Finish());
  }
  REQUIRE(cluster.Count(FileKind::kLock) == 0);

  auto second =
      Unwrap(RepositorySession::Open(cluster.On("n1"), cluster.Address(), LockUse::kNone));

  REQUIRE(second->repository().index().BlobCount() == 1);
  REQUIRE_OK(second->repository().index().Load({}));
  REQUIRE(second->repository().index().BlobCount() == 1);
}

TEST_CASE("repository session: without a pool each session opens its own repository") {
  JobsFixture fixture;
  JobContext context = fixture.Context();
  const RepositoryAddress address = fixture.AllRepositories().at(0);
  auto first = Unwrap(RepositorySession::Open(context, address, LockUse::kRequired));
  auto second = Unwrap(RepositorySession::Open(context, address, LockUse::kRequired));
  REQUIRE(&first->repository() != &second->repository());
  REQUIRE(fixture.CountFiles("memory:main", FileKind::kLock) == 2);
}

}  // namespace
}  // namespace holdfast::jobs
