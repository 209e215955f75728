#include "agent/journal/restore_journal.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "agent/journal/helper_directory.h"
#include "common/base/path.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Unwrap;

UnfinishedRestore Facts() {
  return {.run = "01HZX3V4J9M8QW7E5R2T1Y0PAS",
          .kind = "files",
          .name = "app",
          .snapshot = std::string(64, 'a'),
          .begin = WallTime(std::chrono::seconds(1'700'000'000)),
          .state = ""};
}

struct Place {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  std::string state_dir = directory.path() + "/agent";
  std::string path = directory.path() + "/restore-helper/journals/files-app.json";
};

TEST_CASE("restore journal: the last record is read back") {
  const Place place;
  RestoreJournal journal(place.state_dir, Facts());
  REQUIRE_FALSE(Unwrap(ReadRestoreJournal(place.state_dir, "files", "app")));

  REQUIRE_OK(journal.Record("one"));
  std::string state("{\"path\": \"\xff\"}\0x", 15);  // invalid UTF-8, with a NUL
  REQUIRE_OK(journal.Record(state));

  auto read = Unwrap(ReadRestoreJournal(place.state_dir, "files", "app"));
  REQUIRE(read);
  REQUIRE(read->state == state);
  REQUIRE(read->run == Facts().run);
  REQUIRE(read->begin == Facts().begin);
  REQUIRE_FALSE(Unwrap(ReadRestoreJournal(place.state_dir, "files", "other")));
}

TEST_CASE("restore journal: it exists until it is removed") {
  const Place place;
  {
    RestoreJournal journal(place.state_dir, Facts());
    REQUIRE_OK(journal.Remove());  // harmless before the first record
    REQUIRE_OK(journal.Record("state"));
  }
  REQUIRE(Unwrap(ReadRestoreJournal(place.state_dir, "files", "app")));

  RestoreJournal journal(place.state_dir, Facts());
  REQUIRE_OK(journal.Remove());

  REQUIRE_FALSE(Unwrap(ReadRestoreJournal(place.state_dir, "files", "app")));
}

TEST_CASE("restore journal: the agent can read root's journal, whatever root's umask is") {
  const Place place;
  RestoreJournal journal(place.state_dir, Facts());
  const mode_t before = ::umask(0077);
  const Result<void> recorded = journal.Record("state");
  (void)::umask(before);
  REQUIRE_OK(recorded);

  struct stat status {};
  REQUIRE(::stat(place.path.c_str(), &status) == 0);
  REQUIRE((status.st_mode & 0777) == 0644);
  REQUIRE(Unwrap(ReadRestoreJournal(place.state_dir, "files", "app"))->is_own);
}

TEST_CASE("restore journal: root does not read a journal that another user could have written") {
  if (::geteuid() != 0) return;
  const Place place;
  RestoreJournal journal(place.state_dir, Facts());
  REQUIRE_OK(journal.Record("state"));
  const std::string changed =
      HelperDirectory(place.state_dir) + GENERATE("/journals/files-app.json", "/journals", "");
  REQUIRE(::chown(changed.c_str(), 64125, 64125) == 0);

  REQUIRE_FAILS(ReadRestoreJournal(place.state_dir, "files", "app"), ErrorCode::kDenied, changed);
}

TEST_CASE("restore journal: a symlink is not followed, and a FIFO does not block") {
  const Place place;
  RestoreJournal journal(place.state_dir, Facts());
  REQUIRE_OK(journal.Record("state"));
  std::filesystem::rename(place.path, place.path + "-away");
  const bool is_fifo = GENERATE(false, true);
  if (is_fifo) REQUIRE(::mkfifo(place.path.c_str(), 0600) == 0);
  if (!is_fifo) std::filesystem::create_symlink(place.path + "-away", place.path);

  const auto read = ReadRestoreJournal(place.state_dir, "files", "app");

  REQUIRE_FALSE(read);
  REQUIRE_THAT(read.error().message(), Catch::Contains(place.path));
}

TEST_CASE("restore journal: a malformed journal is corrupt, never ignored") {
  const Place place;
  REQUIRE_OK(MakeDirectories(ParentPath(place.path), 0755));
  const std::string& path = place.path;
  for (const char* text : {"", "{", "[]", "{}", "{\"format_version\": \"1\"}",
                           "{\"format_version\": 1, \"kind\": \"etcd\", \"name\": \"app\"}",
                           "{\"format_version\": 1, \"kind\": \"files\", \"name\": \"app\"}",
                           "{\"format_version\": 1, \"kind\": \"files\", \"name\": \"app\", "
                           "\"begin\": \"2024-01-01T00:00:00Z\", \"state\": \"!\"}"}) {
    REQUIRE_OK(WriteFileAtomic(path, AsBytes(text), 0600));
    const auto read = ReadRestoreJournal(place.state_dir, "files", "app");
    REQUIRE_FAILS(read, ErrorCode::kCorrupt, path);
    // The staged state may be incomplete, so nothing may be put in place of the live one.
    REQUIRE_THAT(read.error().hint(), Catch::Contains("move nothing") &&
                                          Catch::Contains("\"A damaged restore journal\""));
  }
}

TEST_CASE("restore journal: a journal of another program version asks for that version") {
  const Place place;
  REQUIRE_OK(MakeDirectories(ParentPath(place.path), 0755));
  REQUIRE_OK(WriteFileAtomic(place.path, AsBytes("{\"format_version\": 2}"), 0600));

  const auto read = ReadRestoreJournal(place.state_dir, "files", "app");

  REQUIRE_FAILS(read, ErrorCode::kUnsupported, "has format 2, but this version");
  REQUIRE_THAT(read.error().hint(), Catch::Contains("the version that wrote it"));
}

}  // namespace
}  // namespace holdfast
