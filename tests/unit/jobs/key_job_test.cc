#include "agent/jobs/maintenance/key_job.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/child_process.h"
#include "tests/support/faulty_storage.h"
#include "tests/unit/jobs/jobs_fixture.h"

namespace holdfast::jobs {
namespace {
using testing::Unwrap;

constexpr const char* kKeysUrl = "memory:main";

struct KeyFixture : JobsFixture {
  JobContext Cheaply() {
    JobContext context = Context();
    context.scrypt = testing::kCheapScrypt;
    return context;
  }
  RepositoryAddress Main() { return AllRepositories().front(); }
  std::string Path(const std::string& name) { return directory.path() + "/" + name; }
  std::string Text(const std::string& name) {
    return std::string(AsText(Unwrap(ReadWholeFile(Path(name)))));
  }
  std::size_t Keys() { return CountFiles(kKeysUrl, FileKind::kKey); }
};

TEST_CASE("keys: a password is added with its file, and removed") {
  KeyFixture fixture;

  const KeyChangeReport added =
      Unwrap(RunKeyAdd(fixture.Cheaply(), fixture.Main(), fixture.Path("new/other")));

  CHECK(added.password_generated);
  CHECK(fixture.Keys() == 2);
  CHECK(fixture.CountFiles(kKeysUrl, FileKind::kLock) == 0);
  RepositoryAddress other = fixture.Main();
  other.password_file = added.password_file;
  const KeyListReport list = Unwrap(RunKeyList(fixture.Cheaply(), other));
  REQUIRE(list.keys.size() == 2);
  CHECK(list.keys[0].is_in_use != list.keys[1].is_in_use);

  REQUIRE_FAILS(RunKeyRemove(fixture.Cheaply(), other, added.added.Hex()), ErrorCode::kDenied,
                "opens it");
  CHECK(Unwrap(RunKeyRemove(fixture.Cheaply(), fixture.Main(), added.added.Hex())).removed ==
        added.added);
  CHECK(fixture.Keys() == 1);
  REQUIRE_FAILS(RunKeyList(fixture.Cheaply(), other), ErrorCode::kDenied, "password");
}

TEST_CASE("keys: a new password replaces the one in the file, and the old one opens nothing") {
  KeyFixture fixture;
  REQUIRE(::chmod(fixture.Path("password").c_str(), 0400) == 0);

  const KeyChangeReport report = Unwrap(RunKeyPasswd(fixture.Cheaply(), fixture.Main(), ""));

  CHECK(report.password_generated);
  CHECK(fixture.Text("password").size() == 65);
  struct stat status {};
  REQUIRE(::stat(fixture.Path("password").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0400);
  CHECK(fixture.Keys() == 1);
  const auto list = Unwrap(RunKeyList(fixture.Cheaply(), fixture.Main()));
  CHECK(list.keys.at(0).id == report.added);
  Unwrap(WriteFileAtomic(fixture.Path("password"), AsBytes("secret word"), 0600));
  REQUIRE_FAILS(RunKeyList(fixture.Cheaply(), fixture.Main()), ErrorCode::kDenied, "password");
}

TEST_CASE("keys: a password file that cannot be replaced leaves everything unchanged") {
  KeyFixture fixture;
  REQUIRE(::mkdir(fixture.Path("password.new").c_str(), 0700) == 0);

  REQUIRE_FAILS(RunKeyPasswd(fixture.Cheaply(), fixture.Main(), ""), ErrorCode::kAlreadyExists,
                "password.new");

  CHECK(fixture.Keys() == 1);
  CHECK(fixture.Text("password") == " secret word \n");
  CHECK(fixture.CountFiles(kKeysUrl, FileKind::kLock) == 0);
  REQUIRE_OK(RunKeyList(fixture.Cheaply(), fixture.Main()));
}

// The directory is writable but not readable, so that it cannot be synced after the rename.
TEST_CASE("keys: after a failure the keys of both passwords exist") {
  KeyFixture fixture;
  const auto old = Unwrap(RunKeyList(fixture.Cheaply(), fixture.Main())).keys.at(0).id;
  Unwrap(WriteFileAtomic(fixture.Path("old"), AsBytes("secret word\n"), 0600));
  const std::string directory = fixture.directory.path();
  for (const std::string& path : {directory, fixture.Path("password"), fixture.Path("old")}) {
    REQUIRE((::geteuid() != 0 || ::chown(path.c_str(), 65534, -1U) == 0));
  }
  REQUIRE(::chmod(directory.c_str(), 0300) == 0);

  const testing::ChildOutcome outcome = testing::RunInChild([&]() -> std::string {
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) return "still root";
    const auto changed = RunKeyPasswd(fixture.Cheaply(), fixture.Main(), "");
    if (changed) return "changed";
    RepositoryAddress with_old = fixture.Main();
    with_old.password_file = fixture.Path("old");
    return fmt::format(
        "{} of {} keys {}", changed.error().Text(), fixture.Keys(),
        RunKeyList(fixture.Cheaply(), fixture.Main()) && RunKeyList(fixture.Cheaply(), with_old)
            ? "both open it"
            : "one is lost");
  });
  REQUIRE(::chmod(directory.c_str(), 0700) == 0);

  REQUIRE_THAT(outcome.said, Catch::EndsWith("of 2 keys both open it"));
  REQUIRE_THAT(outcome.said,
               Catch::Contains("holdfast-agent key remove " + old.Hex().substr(0, 8)));
}

TEST_CASE("keys: a symlink to the password file stays a symlink") {
  KeyFixture fixture;
  Unwrap(WriteFileAtomic(fixture.Path("real"), AsBytes("secret word\n"), 0600));
  REQUIRE(::unlink(fixture.Path("password").c_str()) == 0);
  REQUIRE(::symlink("real", fixture.Path("password").c_str()) == 0);

  Unwrap(RunKeyPasswd(fixture.Cheaply(), fixture.Main(), ""));

  struct stat status {};
  REQUIRE(::lstat(fixture.Path("password").c_str(), &status) == 0);
  CHECK(S_ISLNK(status.st_mode));
  CHECK(fixture.Text("real").size() == 65);
}

TEST_CASE("keys: an old key that cannot be removed is named, and the new password is kept") {
  KeyFixture fixture;
  JobContext context = fixture.Cheaply();
  context.open_storage = [&](const StorageAddress& address) -> Result<std::unique_ptr<Storage>> {
    auto storage = std::make_unique<testing::FaultyStorage>(
        std::make_unique<testing::BorrowedStorage>(fixture.storages[address.url]));
    storage->Set({.code = ErrorCode::kDenied,
                  .calls = {testing::StorageCall::kRemove},
                  .kind = FileKind::kKey});
    return storage;
  };
  const auto before = Unwrap(RunKeyList(fixture.Cheaply(), fixture.Main()));
  const std::string old = before.keys.at(0).id.Hex().substr(0, 8);

  const auto report = RunKeyPasswd(context, fixture.Main(), "");

  REQUIRE_FAILS(report, ErrorCode::kDenied, "remove the key of the old password");
  CHECK_THAT(report.error().hint(), Catch::Contains("holdfast-agent key remove " + old));
  CHECK(fixture.Keys() == 2);
  CHECK(fixture.Text("password").size() == 65);
  CHECK(Unwrap(RunKeyRemove(fixture.Cheaply(), fixture.Main(), old)).removed ==
        before.keys.at(0).id);
}

TEST_CASE("keys: if there are too many keys, no password file is left") {
  KeyFixture fixture;
  for (int i = 0; i < 19; ++i)
    Unwrap(RunKeyAdd(fixture.Cheaply(), fixture.Main(), fixture.Path("other")));

  REQUIRE_FAILS(RunKeyAdd(fixture.Cheaply(), fixture.Main(), fixture.Path("one-more")),
                ErrorCode::kDenied, "20 keys");

  REQUIRE_FAILS(ReadWholeFile(fixture.Path("one-more")), ErrorCode::kNotFound, "one-more");
  CHECK(fixture.Keys() == 20);
}

TEST_CASE("keys: the current password as the new one is refused") {
  KeyFixture fixture;
  REQUIRE_FAILS(RunKeyPasswd(fixture.Cheaply(), fixture.Main(), fixture.Path("password")),
                ErrorCode::kInvalidArgument, "already in use");
  CHECK(fixture.Keys() == 1);
}

}  // namespace
}  // namespace holdfast::jobs
