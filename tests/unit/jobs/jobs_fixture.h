// Jobs over a fake source and repositories in memory.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/base/ulid.h"
#include "common/io/atomic_file.h"
#include "tests/support/fake_source.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::jobs {

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
    context.open_storage = [this](std::string_view url) -> Result<std::unique_ptr<Storage>> {
      auto found = storages.find(std::string(url));
      if (found == storages.end()) return Fail(ErrorCode::kInvalidArgument, "no such storage");
      return std::make_unique<testing::BorrowedStorage>(found->second);
    };
    context.lock_options.wait = [](std::chrono::milliseconds) {};
    context.lock_options.refresh_by_thread = false;
    return context;
  }

  std::vector<const SourceSettings*> AllSources() {
    return testing::Unwrap(SelectSources(settings, {}));
  }
  std::vector<RepositoryAddress> AllRepositories() {
    std::vector<RepositoryAddress> addresses;
    for (const RepositorySettings& repository : settings.repositories) {
      addresses.push_back(AddressOf(repository));
    }
    return addresses;
  }
  std::size_t CountFiles(const std::string& url, FileKind kind) {
    std::size_t count = 0;
    testing::Unwrap(storages[url].List(kind, [&](const FileInfo&) -> Result<void> {
      ++count;
      return {};
    }));
    return count;
  }

  TempDir directory = testing::Unwrap(TempDir::Create("jobs"));
  testing::FakeWorld world;
  std::vector<SourceKind> kinds = {testing::FakeKind(world)};
  testing::SeededRandom random;
  testing::ManualClock clock;
  std::map<std::string, testing::MemoryStorage> storages;
  Settings settings;
};

}  // namespace holdfast::jobs
