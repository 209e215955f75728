#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "agent/jobs/backup/backup_job.h"
#include "agent/jobs/backup/probe_job.h"
#include "agent/jobs/maintenance/check_job.h"
#include "agent/jobs/maintenance/init_job.h"
#include "agent/jobs/maintenance/inventory_job.h"
#include "agent/jobs/session/snapshot_finder.h"
#include "agent/journal/restore_journal.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/forwarding_storage.h"
#include "tests/unit/jobs/jobs_fixture.h"

namespace holdfast::jobs {
namespace {

using testing::Unwrap;

RepositoryAddress NewAddress(JobsFixture& fixture, const std::string& password_file) {
  (void)fixture.storages["memory:new"];  // exists, and is empty
  return {.name = "new",
          .url = "memory:new",
          .password_file = fixture.directory.path() + "/" + password_file};
}

// The key file of the repository at NewAddress().
std::string KeyFile(JobsFixture& fixture) {
  testing::MemoryStorage& storage = fixture.storages["memory:new"];
  const FileName key = testing::FileNames(storage, FileKind::kKey).back();
  return std::string(AsText(Unwrap(storage.Get(key, {}))));
}

TEST_CASE("init job: a missing password is generated, and opens the repository") {
  JobsFixture fixture;
  RepositoryAddress address = NewAddress(fixture, "keys/new");

  InitReport report = Unwrap(RunInit(fixture.Context(), address));

  REQUIRE(report.password_generated);
  REQUIRE(report.warnings.empty());
  struct stat status {};
  REQUIRE(::stat(address.password_file.c_str(), &status) == 0);
  REQUIRE((status.st_mode & 0777) == 0600);
  std::string text(AsText(Unwrap(ReadWholeFile(address.password_file))));
  REQUIRE(text.size() == 65);  // 256 bits in hexadecimal, and a newline
  REQUIRE_OK(RepositorySession::Open(fixture.Context(), address, LockUse::kRequired));
  REQUIRE_THAT(KeyFile(fixture), Catch::Contains(R"("p":1,)"));  // this password is unguessable
}

TEST_CASE("init job: a password file that others can read is refused") {
  JobsFixture fixture;
  RepositoryAddress address = NewAddress(fixture, "password");
  for (const mode_t mode : {0644, 0640, 0604, 0620}) {
    REQUIRE(::chmod(address.password_file.c_str(), mode) == 0);
    const auto refused = RunInit(fixture.Context(), address);
    REQUIRE_FAILS(refused, ErrorCode::kDenied, "is accessible to group or others");
    REQUIRE(refused.error().hint() == "chmod 600 " + address.password_file);
  }
  REQUIRE(::chmod(address.password_file.c_str(), 0600) == 0);
  REQUIRE_FALSE(Unwrap(RunInit(fixture.Context(), address)).password_generated);
}

TEST_CASE("init job: an existing repository stays, and no new password is left") {
  JobsFixture fixture;
  RepositoryAddress address = NewAddress(fixture, "new-password");
  address.url = "memory:main";

  REQUIRE_FAILS(RunInit(fixture.Context(), address), ErrorCode::kAlreadyExists,
                "create repository \"new\"");

  REQUIRE_FAILS(ReadWholeFile(address.password_file), ErrorCode::kNotFound, "new-password");
}

TEST_CASE("init job: an empty password file is refused") {
  JobsFixture fixture;
  RepositoryAddress address = NewAddress(fixture, "empty");
  REQUIRE_OK(WriteFileAtomic(address.password_file, AsBytes(" \n"), 0600));

  REQUIRE_FAILS(RunInit(fixture.Context(), address), ErrorCode::kInvalidArgument, "is empty");
}

TEST_CASE("probe job: reports state and an interrupted restore, and changes nothing") {
  JobsFixture fixture;
  fixture.InterruptRestore("state");

  std::vector<ProbeReport> reports = RunProbe(fixture.Context(), fixture.AllSources());

  REQUIRE(reports.at(0).info.healthy);
  REQUIRE(reports.at(0).unfinished_restore->run == "R");
  CHECK(HowToRecover(*reports.at(0).unfinished_restore) ==
        "finish or undo it: holdfast-agent restore-helper --recover");
  REQUIRE_FALSE(reports.at(1).unfinished_restore);
  REQUIRE(fixture.world.steps == std::vector<std::string>{"open", "probe", "open", "probe"});
}

TEST_CASE("probe job: a path that cannot be saved is unhealthy, other missing items are not") {
  JobsFixture fixture;
  fixture.world.missing = {{"passwords of users", "the service does not reveal them", ""}};
  REQUIRE(RunProbe(fixture.Context(), fixture.AllSources()).at(0).info.healthy);

  fixture.world.missing.push_back({"/etc/secret", "permission denied", "let the agent read it"});
  const SourceInfo info = RunProbe(fixture.Context(), fixture.AllSources()).at(0).info;
  REQUIRE_FALSE(info.healthy);
  REQUIRE_THAT(info.health,
               Catch::EndsWith("1 path cannot be saved: \"/etc/secret\": permission denied"));
}

// A host whose fstab has a file system at `point`. Only `mounted` is mounted.
struct MountsFixture : JobsFixture {
  MountsFixture() {
    kinds.front().options.options.push_back(
        {.name = "paths", .type = config::OptionType::kPathList});
    REQUIRE_OK(MakeDirectories(point, 0700));
    Configure(
        fmt::format("repositories: {{main: {{url: 'memory:main', password_file: password}}}}\n"
                    "sources: [{{kind: fake, name: one, paths: [{}]}}]\n",
                    point));
    Mount("/");
  }
  void Mount(const std::string& mounted) const {
    Unwrap(WriteFileAtomic(directory.path() + "/fstab", AsBytes("/dev/sdb " + point + " ext4\n"),
                           0600));
    Unwrap(WriteFileAtomic(directory.path() + "/mountinfo",
                           AsBytes("21 1 8:1 / " + mounted + " rw - ext4 /dev/sda rw\n"), 0600));
  }
  JobContext MountContext() {
    JobContext context = Context();
    context.mount_sources = {.mountinfo = directory.path() + "/mountinfo",
                             .fstab = directory.path() + "/fstab",
                             .units = directory.path() + "/none"};
    return context;
  }
  SourceInfo Probe() { return RunProbe(MountContext(), AllSources()).at(0).info; }

  std::string point = directory.path() + "/mnt";
};

TEST_CASE("probe job: an unmounted or empty mount point is unhealthy") {
  MountsFixture fixture;
  SourceInfo info = fixture.Probe();
  REQUIRE_FALSE(info.healthy);
  REQUIRE(info.missing.at(0).what == fixture.point);
  REQUIRE_THAT(info.missing.at(0).reason, Catch::StartsWith("nothing is mounted at "));
  REQUIRE(info.missing.at(0).remedy == "mount " + fixture.point);

  fixture.Mount(fixture.point);
  info = fixture.Probe();
  REQUIRE_FALSE(info.healthy);
  REQUIRE_THAT(info.missing.at(0).reason, Catch::EndsWith("is empty"));

  Unwrap(WriteFileAtomic(fixture.point + "/f", AsBytes("x"), 0600));
  info = fixture.Probe();
  REQUIRE(info.healthy);
  REQUIRE(info.missing.empty());
}

TEST_CASE("init and backup jobs: a repository on an unmounted file system is unavailable") {
  MountsFixture fixture;
  RepositoryAddress address = NewAddress(fixture, "new-password");
  address.url = "file:" + fixture.point + "/repository";
  (void)fixture.storages[address.url];  // exists, and is empty
  const std::string reason = fmt::format("nothing is mounted at \"{}\"", fixture.point);

  const auto refused = RunInit(fixture.MountContext(), address);
  REQUIRE_FAILS(refused, ErrorCode::kUnavailable, reason);
  REQUIRE(refused.error().hint() == "mount " + fixture.point);
  REQUIRE_FAILS(ReadWholeFile(address.password_file), ErrorCode::kNotFound, "new-password");
  REQUIRE_OK(WriteFileAtomic(address.password_file, AsBytes("secret\n"), 0600));
  const auto opened = RepositorySession::Open(fixture.MountContext(), address, LockUse::kNone);
  REQUIRE_FAILS(opened, ErrorCode::kUnavailable, reason);

  fixture.Mount(fixture.point);
  REQUIRE_FAILS(RepositorySession::Open(fixture.MountContext(), address, LockUse::kNone),
                ErrorCode::kNotFound, "no repository exists");
  REQUIRE_OK(RunInit(fixture.MountContext(), address));
  fixture.Mount("/");
  REQUIRE_OK(RepositorySession::Open(fixture.MountContext(), address, LockUse::kNone));
}

TEST_CASE("backup job: an unmounted path is missing from the snapshot") {
  MountsFixture fixture;
  const BackupReport partial = RunBackup(fixture.MountContext(), fixture.AllSources(), "");
  REQUIRE(partial.tasks.at(0).state == TaskOutcome::kPartlyDone);
  REQUIRE(partial.tasks.at(0).manifest.missing.at(0).what == fixture.point);

  fixture.Mount(fixture.point);
  const BackupReport whole = RunBackup(fixture.MountContext(), fixture.AllSources(), "");
  REQUIRE(whole.tasks.at(0).state == TaskOutcome::kDone);
}

TEST_CASE("probe job: a source that does not answer has its own error") {
  JobsFixture fixture;
  fixture.world.failures.emplace("probe", Error(ErrorCode::kUnavailable, "no answer"));

  REQUIRE(RunProbe(fixture.Context(), fixture.AllSources()).at(0).error->message() == "no answer");
}

TEST_CASE("list: an unreadable repository does not hide the others") {
  JobsFixture fixture;
  (void)fixture.BackUpAll();
  fixture.settings.repositories[1].url = "memory:none";

  auto listings = ListRepositories(fixture.Context(), fixture.AllRepositories(), "fake/*");

  REQUIRE(listings.at(0).snapshots.size() == 2);
  REQUIRE(listings.at(1).error);
  REQUIRE(ListRepositories(fixture.Context(), fixture.AllRepositories(), "etcd/*")
              .at(0)
              .snapshots.empty());
}

TEST_CASE("find: latest is looked up in the repository of the source") {
  JobsFixture fixture;
  const std::string head =
      "repositories:\n"
      "  main: {url: 'memory:main', password_file: password}\n"
      "  other: {url: 'memory:other', password_file: password}\n"
      "sources:\n";
  for (const char* repository : {"main", "other"}) {
    fixture.Configure(head +
                      fmt::format("  - {{kind: fake, name: one, repository: {}}}\n", repository));
    fixture.clock.Advance(std::chrono::hours(1));
    const BackupReport report = fixture.BackUpAll();
    REQUIRE(report.tasks.at(0).state == TaskOutcome::kDone);
  }
  fixture.Configure(head + "  - {kind: fake, name: one, repository: main}\n");
  const auto find = [&](const std::vector<RepositoryAddress>& repositories,
                        const std::string& selector) -> Result<std::string> {
    HF_ASSIGN(const FoundSnapshot found,
              FindInRepositories(fixture.Context(), repositories, {.selector = selector},
                                 LockUse::kNone));
    return found.session->address().name;
  };
  const std::vector<RepositoryAddress> all = fixture.AllRepositories();

  // The snapshot in "other" is newer.
  CHECK(Unwrap(find(all, "latest:fake/one")) == "main");
  CHECK(Unwrap(find(all, "latest:fake/one@n1")) == "main");
  CHECK(Unwrap(find({all[1]}, "latest:fake/one")) == "other");
  // A source that another node configures may be anywhere.
  fixture.settings.node = "n2";
  REQUIRE_FAILS(find(all, "latest:fake/one@n1"), ErrorCode::kInvalidArgument,
                "in repositories \"main\" and \"other\"");
}

TEST_CASE("find: a suggestion from one repository is kept when others are searched") {
  JobsFixture fixture;
  const BackupReport report = fixture.BackUpAll();
  const std::string id = report.tasks.at(0).snapshot.substr(0, 8);
  std::string typo = id;
  typo[6] = typo[6] == '0' ? '1' : '0';

  // "other" is searched last, and has nothing similar.
  REQUIRE_FAILS(FindInRepositories(fixture.Context(), fixture.AllRepositories(), {.selector = typo},
                                   LockUse::kNone),
                ErrorCode::kNotFound, fmt::format("did you mean \"{}\"?", id));
}

TEST_CASE("list: a selector may have a host") {
  JobsFixture fixture;
  (void)fixture.BackUpAll();
  const auto list = [&](std::string_view selector) {
    return ListRepositories(fixture.Context(), fixture.AllRepositories(), selector)
        .at(0)
        .snapshots.size();
  };

  CHECK(list("fake/one@n1") == 1);
  CHECK(list("fake/*@n*") == 2);
  CHECK(list("fake/one@n2") == 0);
}

TEST_CASE("list: a selector without a known source is an error with a suggestion") {
  JobsFixture fixture;
  const auto check = [&](std::string_view selector) {
    const auto listings = ListRepositories(fixture.Context(), fixture.AllRepositories(), selector);
    return CheckListed(fixture.Context(), selector, listings);
  };

  REQUIRE_FAILS(check("fake/oen"), ErrorCode::kNotFound, "did you mean \"fake/one\"?");
  REQUIRE_FAILS(check("etcd/*"), ErrorCode::kNotFound, "no source \"etcd/*\"");
  // Configured, and not saved yet.
  REQUIRE_OK(check("fake/one"));
  (void)fixture.BackUpAll();
  fixture.Configure("repositories:\n  main: {url: 'memory:main', password_file: password}\n");
  // Saved, but no longer configured.
  REQUIRE_OK(check("fake/two"));
  REQUIRE_FAILS(check("fake/tow"), ErrorCode::kNotFound, "did you mean \"fake/two\"?");
  // An unreadable repository might have it.
  fixture.settings.repositories[0].url = "memory:none";
  REQUIRE_OK(check("fake/tow"));
}

TEST_CASE("list and find: a damaged snapshot does not hide the others") {
  JobsFixture fixture;
  (void)fixture.BackUpAll();
  const FileName bad{FileKind::kSnapshot, std::string(64, 'b')};
  Unwrap(fixture.storages["memory:main"].Put(bad, AsBytes("damaged"), PutMode::kReplace));

  const auto listings = ListRepositories(fixture.Context(), fixture.AllRepositories(), "");
  REQUIRE(listings.at(0).snapshots.size() == 2);
  REQUIRE(listings.at(0).error);
  CHECK_THAT(listings.at(0).error->Text(), Catch::Contains(bad.name));

  const std::string id = listings.at(0).snapshots.at(0).id.Hex();
  const auto found = Unwrap(FindInRepositories(fixture.Context(), fixture.AllRepositories(),
                                               {.selector = id}, LockUse::kNone));
  CHECK(found.snapshot.id.Hex() == id);
  REQUIRE(found.warnings.size() == 1);
  CHECK_THAT(found.warnings[0], Catch::Contains(bad.name));
  // The damaged one may be the latest.
  REQUIRE_FAILS(FindInRepositories(fixture.Context(), fixture.AllRepositories(),
                                   {.selector = "latest:fake/one"}, LockUse::kNone),
                ErrorCode::kCorrupt, bad.name);

  const BackupReport again = fixture.BackUpAll();
  for (const BackupTaskReport& task : again.tasks) {
    CHECK_FALSE(task.error);
    CHECK(std::ranges::any_of(task.warnings, [&](const std::string& warning) {
      return warning.find(bad.name) != std::string::npos;
    }));
  }
}

TEST_CASE("check job: sound repositories are reported as sound, damaged ones are not") {
  JobsFixture fixture;
  (void)fixture.BackUpAll();
  auto reports = RunCheck(fixture.Context(), fixture.AllRepositories(), {.read_data = true});
  REQUIRE(reports.at(0).is_sound());
  REQUIRE(reports.at(0).check.snapshots == 2);
  REQUIRE(fixture.CountFiles("memory:main", FileKind::kLock) == 0);

  testing::MemoryStorage& storage = fixture.storages["memory:main"];
  Unwrap(storage.Remove(testing::FileNames(storage, FileKind::kPack).at(0)));

  reports = RunCheck(fixture.Context(), fixture.AllRepositories(), {});
  REQUIRE_FALSE(reports.at(0).is_sound());
  REQUIRE(reports.at(1).is_sound());
}

// A storage that can only be read.
class ReadOnlyStorage final : public testing::ForwardingStorage {
 public:
  using ForwardingStorage::ForwardingStorage;
  Result<void> Create() override { return Refuse(); }
  Result<void> Put(const FileName&, ByteView, PutMode) override { return Refuse(); }
  Result<void> Remove(const FileName&) override { return Refuse(); }

 private:
  static Result<void> Refuse() { return Fail(ErrorCode::kDenied, "read-only file system"); }
};

TEST_CASE("repository session: a read-only storage is read without a lock, and never written") {
  JobsFixture fixture;
  JobContext context = fixture.Context();
  context.open_storage = [&](const StorageAddress&) -> Result<std::unique_ptr<Storage>> {
    return std::make_unique<ReadOnlyStorage>(fixture.storages["memory:main"]);
  };
  RepositoryAddress address = fixture.AllRepositories()[0];

  auto session = Unwrap(RepositorySession::Open(context, address, LockUse::kIfCan));
  REQUIRE(session->lock() == nullptr);
  REQUIRE_THAT(session->warnings().at(0), Catch::Contains("is read without a lock"));
  REQUIRE_FAILS(RepositorySession::Open(context, address, LockUse::kRequired), ErrorCode::kDenied,
                "lock repository \"main\"");
}

TEST_CASE("inventory job: pages are ordered by id, and have the facts of snapshots and manifests") {
  JobsFixture fixture;
  for (int i = 0; i < 3; ++i) {
    (void)RunBackup(fixture.Context(), fixture.AllSources(), "note " + std::to_string(i));
    fixture.clock.Advance(std::chrono::hours(1));
  }
  const RepositoryAddress address = fixture.AllRepositories().at(0);
  std::vector<InventoriedSnapshot> all;
  std::optional<repository::Id> after;
  std::size_t pages = 0;
  for (bool more = true; more; ++pages) {
    InventoryPage page = Unwrap(RunInventory(fixture.Context(), address, after, 4));
    REQUIRE(page.repository_id.size() == 64);
    more = page.more;
    for (InventoriedSnapshot& snapshot : page.snapshots) all.push_back(std::move(snapshot));
    after = all.back().id;
  }

  REQUIRE(pages == 2);
  REQUIRE(all.size() == 6);
  REQUIRE(std::ranges::is_sorted(all, {}, &InventoriedSnapshot::id));
  auto newest = std::ranges::max_element(all, {}, &InventoriedSnapshot::time);
  REQUIRE(newest->note == "note 2");
  REQUIRE(newest->host == "n1");
  REQUIRE(newest->counts.items == 3);
  REQUIRE(newest->counts.files == 3);  // two files of the source, and the manifest
  REQUIRE(newest->counts.bytes > 9);
  REQUIRE(newest->parent);
  REQUIRE_FALSE(newest->error);
  REQUIRE(Unwrap(RunInventory(fixture.Context(), address, after)).snapshots.empty());
}

TEST_CASE("inventory job: an unreadable snapshot does not hide the others") {
  JobsFixture fixture;
  (void)fixture.BackUpAll();
  testing::MemoryStorage& storage = fixture.storages["memory:main"];
  const FileName name = testing::FileNames(storage, FileKind::kSnapshot).at(0);
  Bytes damaged = Unwrap(storage.Get(name, {}));
  damaged.back() ^= 1;
  REQUIRE_OK(storage.Put(name, damaged, PutMode::kReplace));

  InventoryPage page =
      Unwrap(RunInventory(fixture.Context(), fixture.AllRepositories().at(0), std::nullopt));

  REQUIRE(page.snapshots.size() == 2);
  for (const InventoriedSnapshot& snapshot : page.snapshots) {
    bool is_damaged = snapshot.id.Hex() == name.name;
    REQUIRE(snapshot.error.has_value() == is_damaged);
    REQUIRE(snapshot.source.empty() == is_damaged);
  }
}

}  // namespace
}  // namespace holdfast::jobs
