// Jobs with a fake source and repositories in memory.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/backup/backup_job.h"
#include "agent/jobs/backup/backup_task.h"
#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "agent/journal/restore_journal.h"
#include "common/base/format.h"
#include "common/base/ulid.h"
#include "common/crypto/sha256.h"
#include "common/io/atomic_file.h"
#include "common/repository/format/records.h"
#include "tests/support/fake_source.h"
#include "tests/support/items.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::jobs {

inline SourceKind RingKind(testing::FakeWorld& world) {
  SourceKind kind = testing::FakeKind(world, "ring");
  kind.topology = Topology::kReplicated;
  return kind;
}

struct JobsFixture {
  JobsFixture() {
    testing::Unwrap(
        WriteFileAtomic(directory.path() + "/password", AsBytes(" secret word \n"), 0600));
    for (const char* name : {"main", "other"}) {
      testing::Unwrap(repository::Repository::Init(
          storages[std::string("memory:") + name], Secret("secret word"),
          {.user = "tester", .host = "testhost", .scrypt = testing::kCheapScrypt}, random, clock));
    }
    Configure(
        "repositories:\n"
        "  main: {url: 'memory:main', password_file: password}\n"
        "  other: {url: 'memory:other', password_file: password}\n"
        "sources:\n"
        "  - {kind: fake, name: one, repository: main}\n"
        "  - {kind: fake, name: two, repository: main}\n");
  }

  void Configure(const std::string& text) {
    settings =
        testing::Unwrap(ParseSettings("node: n1\nstate_dir: state\n" + text,
                                      directory.path() + "/agent.yaml", {}, SchemasOf(kinds)));
  }

  JobContext Context(std::stop_token stop = {}) {
    JobContext context;
    context.settings = &settings;
    context.kinds = &kinds;
    context.clock = &clock;
    context.random = &random;
    context.stop = std::move(stop);
    context.run = MakeUlid(clock, random);
    context.user = "tester";
    context.open_storage =
        [this](const StorageAddress& address) -> Result<std::unique_ptr<Storage>> {
      auto found = storages.find(address.url);
      if (found == storages.end()) return Fail(ErrorCode::kInvalidArgument, "no such storage");
      return std::make_unique<testing::BorrowedStorage>(found->second);
    };
    context.lock_options.wait = [](std::chrono::milliseconds) {};
    context.lock_options.refresh_by_thread = false;
    return context;
  }

  // Leaves the journal of a restore of fake/one that was interrupted in this state.
  void InterruptRestore(std::string_view state) {
    RestoreJournal journal(settings.state_dir, {.run = "R",
                                                .kind = "fake",
                                                .name = "one",
                                                .snapshot = "abcdef0123",
                                                .begin = clock.Now(),
                                                .state = ""});
    testing::Unwrap(journal.Record(state));
  }

  std::vector<const SourceSettings*> AllSources() {
    return testing::Unwrap(SelectSources(settings, {}));
  }
  BackupReport BackUpAll() { return RunBackup(Context(), AllSources(), ""); }
  // Saves only fake/one.
  BackupTaskReport BackUpOne() {
    return RunBackup(Context(), {AllSources().at(0)}, "").tasks.at(0);
  }
  std::vector<RepositoryAddress> AllRepositories() {
    std::vector<RepositoryAddress> addresses;
    for (const RepositorySettings& repository : settings.repositories) {
      addresses.push_back(AddressOf(repository));
    }
    return addresses;
  }
  // Makes an exclusive lock of eve@elsewhere appear in "main" at the second check of any process
  // that takes a lock with `context`. Returns its name.
  FileName AddRivalTo(JobContext& context) {
    const repository::LockRecord rival{clock.Now(), true, {.host = "elsewhere", .user = "eve"}};
    auto session =
        testing::Unwrap(RepositorySession::Open(context, AllRepositories().at(0), LockUse::kNone));
    Bytes sealed = session->repository().files().Seal(AsBytes(EncodeLock(rival)));
    const FileName name{FileKind::kLock, repository::Id{crypto::Sha256Of(sealed)}.Hex()};
    context.lock_options.refresh_by_thread = true;
    context.lock_options.wait = [this, name,
                                 sealed = std::move(sealed)](std::chrono::milliseconds) {
      testing::Unwrap(storages["memory:main"].Put(name, sealed, PutMode::kReplace));
    };
    return name;
  }
  std::size_t CountFiles(const std::string& url, FileKind kind) {
    return testing::FileNames(storages[url], kind).size();
  }

  TempDir directory = testing::Unwrap(TempDir::Create("jobs"));
  testing::FakeWorld world;
  // "ring" is replicated. Its members are the nodes of Cluster.
  std::vector<SourceKind> kinds = {testing::FakeKind(world), RingKind(world)};
  testing::SeededRandom random;
  testing::ManualClock clock;
  std::map<std::string, testing::MemoryStorage> storages;
  AgentSettings settings;
};

// The journal's entry for one order, in memory.
class MemorySealedJournal final : public SealedJournal {
 public:
  Result<std::optional<Bytes>> Recorded() override {
    if (failure) return Fail(*failure);
    return recorded;
  }
  Result<void> Record(const ComposedSnapshot& composed, ByteView sealed) override {
    if (failure) return Fail(*failure);
    recorded.emplace(sealed.begin(), sealed.end());
    announced = composed;
    if (on_record) on_record();
    return {};
  }

  std::optional<Bytes> recorded;
  ComposedSnapshot announced;
  std::optional<Error> failure;
  std::function<void()> on_record;
};

// Several nodes of a cluster, with one repository.
struct ClusterNodes {
  // Configures n1 to n3 with these sources.
  void AddNodes(const std::string& sources) {
    for (const char* node : {"n1", "n2", "n3"}) {
      nodes[node] = testing::Unwrap(
          ParseSettings(fmt::format("node: {0}\ncluster: prod\nstate_dir: {0}/state\n"
                                    "repositories:\n"
                                    "  main: {{url: 'memory:main', password_file: password}}\n"
                                    "sources:\n{1}",
                                    node, sources),
                        fixture.directory.path() + "/agent.yaml", {}, SchemasOf(fixture.kinds)));
    }
  }
  // All contexts have the same run.
  JobContext On(const std::string& node, std::stop_token stop = {}) {
    JobContext context = fixture.Context(std::move(stop));
    context.settings = &nodes.at(node);
    context.run = run;
    context.repositories = &pool;
    return context;
  }
  RepositoryAddress Address() { return AddressOf(nodes.at("n1").repositories.at(0)); }

  JobsFixture fixture;
  std::map<std::string, AgentSettings> nodes;
  std::string run = MakeUlid(fixture.clock, fixture.random);
  RepositoryPool pool;
};

// The members of one replicated source "ring/r".
struct Cluster : ClusterNodes {
  Cluster() {
    fixture.world.live["members/n1/conf"] = "one";
    fixture.world.live["members/n2/conf"] = "two";
    fixture.world.live["members/n3/conf"] = "three";
    AddNodes(
        "  - {kind: ring, name: r}\n"
        "  - {kind: fake, name: one}\n");
  }

  const SourceSettings& Source(const std::string& node, const std::string& kind = "ring") {
    const AgentSettings& settings = nodes.at(node);
    return *settings.FindSource(kind, kind == "ring" ? "r" : "one");
  }
  std::size_t Count(FileKind kind) { return fixture.CountFiles("memory:main", kind); }

  // A part of "ring/r", as a node's task leaves it.
  struct Saved {
    repository::Id tree;
    HeldPart held;
  };
  Saved Save(const std::string& node, BackupScope scope) {
    BackupTask task(
        On(node), {.settings = &Source(node), .note = "a note", .scope = scope, .compose = false});
    testing::Unwrap(task.Prepare());
    testing::Unwrap(task.Cut());
    testing::Unwrap(task.Save());
    return {task.saved().tree, task.TakePart()};
  }
};

}  // namespace holdfast::jobs
