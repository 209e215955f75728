// Interoperability with stock restic below the level of trees: restic lists and checks what we
// write, and we open and load what restic writes. Each test runs with an old and a new restic.

#include <algorithm>
#include <filesystem>
#include <map>

#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/io/subprocess.h"
#include "common/repository/format/records.h"
#include "common/repository/store/blob_writer.h"
#include "common/repository/store/key_list.h"
#include "common/repository/store/lock.h"
#include "common/repository/store/repository.h"
#include "common/storage/open_storage.h"
#include "tests/support/catch.h"
#include "tests/support/restic.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::repository {
namespace {
using testing::ResticProgram;
using testing::SeededRandom;
using testing::Unwrap;

constexpr std::string_view kPassword = "correct horse";

// A directory with a password file and a repository, and each version of restic in turn.
struct Place {
  Place() : program(ResticProgram(GENERATE(testing::kOldRestic, testing::kNewRestic))) {
    Unwrap(WriteFileAtomic(directory.path() + "/password", AsBytes(kPassword), 0600));
  }

  SubprocessOutcome Restic(std::vector<std::string> arguments) const {
    std::vector<std::string> argv = {
        program,      "--repo", repository(), "--password-file", directory.path() + "/password",
        "--no-cache", "--quiet"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    SubprocessOptions options;
    options.environment["TMPDIR"] = directory.path();
    return Unwrap(RunProgram(argv, options));
  }
  std::string ResticOk(std::vector<std::string> arguments) const {
    const SubprocessOutcome outcome = Restic(std::move(arguments));
    INFO(program << ": " << outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return outcome.out;
  }

  std::unique_ptr<Storage> OpenDirectory() const {
    return Unwrap(OpenStorage({"file:" + repository()}));
  }
  void Init() {
    Unwrap(Repository::Init(*OpenDirectory(), Secret(std::string(kPassword)),
                            {.user = "holdfast",
                             .host = "node-1",
                             .scrypt = crypto::ScryptParameters{.n = 1024, .r = 8, .p = 1}},
                            random, clock));
  }
  std::unique_ptr<Repository> Open() {
    auto opened = Unwrap(
        Repository::Open(OpenDirectory(), Secret(std::string(kPassword)), {}, random, clock));
    Unwrap(opened->index().Load({}));
    return opened;
  }
  std::string repository() const { return directory.path() + "/repo"; }

  const std::string program;
  TempDir directory = Unwrap(TempDir::Create("restic-engine"));
  SystemClock clock;
  SystemRandom random;
};

std::size_t CountLines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// Saves blobs of various sizes and compressibility. Returns them by id.
std::map<std::string, Bytes> SaveBlobs(Repository& repository) {
  SeededRandom random;
  std::map<std::string, Bytes> saved;
  auto lock = Unwrap(Lock::AcquireShared(repository));
  auto writer = BlobWriter::Begin(repository, lock.get());
  for (std::size_t size : {1U, 100U, 70'000U, 1U << 20, 8U << 20, 18U << 20}) {
    Bytes noise(size);
    random.Fill(noise);
    Bytes text(size, static_cast<std::uint8_t>(size));
    saved[Unwrap(writer->Save(BlobType::kData, noise)).Hex()] = noise;
    saved[Unwrap(writer->Save(BlobType::kData, text)).Hex()] = text;
  }
  const Bytes tree = ToBytes("{\"nodes\":[]}\n");
  saved[Unwrap(writer->Save(BlobType::kTree, tree)).Hex()] = tree;
  Unwrap(writer->Finish());
  return saved;
}

TEST_CASE("stock restic: opens, lists and checks what we made") {
  Place place;
  place.Init();
  REQUIRE_THAT(place.ResticOk({"cat", "config"}), Catch::Contains("chunker_polynomial"));
  REQUIRE(CountLines(place.ResticOk({"list", "keys"})) == 1);

  const auto saved = SaveBlobs(*place.Open());

  REQUIRE(CountLines(place.ResticOk({"list", "packs"})) >= 3);
  REQUIRE(CountLines(place.ResticOk({"list", "index"})) == 1);
  REQUIRE(place.ResticOk({"list", "locks", "--no-lock"}).empty());
  const SubprocessOutcome check = place.Restic({"check", "--read-data"});
  REQUIRE(check.exit_code == 0);
  REQUIRE(check.err.find("error") == std::string::npos);
  for (const auto& [id, content] : saved) {
    if (content.size() > 100'000) continue;  // only the start of restic's output is kept
    const std::string shown = place.ResticOk({"cat", "blob", id});
    REQUIRE(ToBytes(shown) == content);
  }
}

TEST_CASE("stock restic: a password it adds opens for us, ours keeps opening for it") {
  Place place;
  place.Init();
  Unwrap(WriteFileAtomic(place.directory.path() + "/new", AsBytes("battery staple"), 0600));
  (void)place.ResticOk({"key", "add", "--new-password-file", place.directory.path() + "/new"});

  REQUIRE_OK(Repository::Open(place.OpenDirectory(), Secret("battery staple"), {}, place.random,
                              place.clock));
  REQUIRE_FAILS(
      Repository::Open(place.OpenDirectory(), Secret("wrong"), {}, place.random, place.clock),
      ErrorCode::kDenied, "wrong password");
}

TEST_CASE("stock restic: as many keys as opening tries open for both, whoever added them") {
  Place place;
  place.Init();
  const auto password = [](int number) { return fmt::format("password {}", number); };
  const auto write = [&](const std::string& text) {
    Unwrap(WriteFileAtomic(place.directory.path() + "/new", AsBytes(text), 0600));
    return place.directory.path() + "/new";
  };
  {
    const InitOptions cheap{.user = "holdfast",
                            .host = "here",
                            .scrypt = crypto::ScryptParameters{.n = 1024, .r = 8, .p = 1}};
    auto repository = place.Open();
    for (int i = 0; i < 18; ++i) Unwrap(AddKey(*repository, Secret(password(i)), cheap));
    (void)place.ResticOk({"key", "add", "--new-password-file", write(password(18))});
    REQUIRE_FAILS(AddKey(*repository, Secret("one more"), cheap), ErrorCode::kDenied, "20 keys");
  }
  REQUIRE(CountLines(place.ResticOk({"list", "keys"})) == 20);

  for (int i = 0; i < 19; ++i) {
    INFO(i);
    REQUIRE_OK(Repository::Open(place.OpenDirectory(), Secret(password(i)), {}, place.random,
                                place.clock));
    // The last option wins.
    (void)place.ResticOk({"cat", "config", "--password-file", write(password(i))});
  }
}

TEST_CASE("stock restic: what it wrote we open, and load every blob of") {
  Place place;
  (void)place.ResticOk({"init"});
  std::filesystem::create_directory(place.directory.path() + "/source");
  SeededRandom random;
  Bytes noise(3U << 20);
  random.Fill(noise);
  Unwrap(WriteFileAtomic(place.directory.path() + "/source/noise", noise, 0600));
  Unwrap(WriteFileAtomic(place.directory.path() + "/source/text", Bytes(200'000, 'x'), 0600));
  (void)place.ResticOk({"backup", place.directory.path() + "/source"});

  auto repository = place.Open();
  std::vector<std::pair<BlobType, Id>> blobs;
  repository->index().ForEachBlob(
      [&](BlobType type, const Id& id, const BlobLocation&) { blobs.emplace_back(type, id); });
  REQUIRE(blobs.size() >= 5);
  for (const auto& [type, id] : blobs) REQUIRE_OK(repository->blobs().Load(type, id));
}

TEST_CASE("stock restic: format version 1 is refused with the command that migrates it") {
  Place place;
  (void)place.ResticOk({"init", "--repository-version", "1"});
  const auto open = [&] {
    return Repository::Open(place.OpenDirectory(), Secret(std::string(kPassword)), {}, place.random,
                            place.clock);
  };
  REQUIRE_FAILS(open(), ErrorCode::kUnsupported, "restic migrate upgrade_repo_v2");

  (void)place.ResticOk({"migrate", "upgrade_repo_v2"});

  REQUIRE_OK(open());
}

TEST_CASE("stock restic: our lock keeps its exclusive commands out, and dead ones it clears") {
  Place place;
  place.Init();
  auto repository = place.Open();
  {
    auto lock = Unwrap(Lock::AcquireShared(*repository));
    REQUIRE(place.Restic({"check"}).exit_code != 0);
    (void)place.ResticOk({"unlock"});  // does not remove the lock of a live process
    REQUIRE(Unwrap(ListLocks(*repository)).size() == 1);
    (void)place.ResticOk({"snapshots"});
  }
  // An exclusive lock of a killed process: its pid is above the maximum.
  LockHolder dead = LockHolder::Self();
  dead.pid = 1U << 30;
  const LockRecord record{place.clock.Now(), true, dead};
  Unwrap(repository->files().Save(FileKind::kLock, AsBytes(EncodeLock(record))));
  REQUIRE_FAILS(Lock::AcquireShared(*repository), ErrorCode::kBusy, "holdfast-agent unlock");

  (void)place.ResticOk({"unlock"});

  REQUIRE_OK(Lock::AcquireShared(*repository));
  (void)place.ResticOk({"check"});
}

}  // namespace
}  // namespace holdfast::repository
