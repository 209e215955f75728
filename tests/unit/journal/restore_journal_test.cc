#include "agent/journal/restore_journal.h"

#include <sys/stat.h>

#include <string>

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

TEST_CASE("restore journal: the last record is read back") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  RestoreJournal journal(directory.path(), Facts());
  REQUIRE_FALSE(Unwrap(ReadRestoreJournal(directory.path(), "files", "app")));

  REQUIRE_OK(journal.Record("one"));
  std::string state("{\"path\": \"\xff\"}\0x", 15);  // invalid UTF-8, with a NUL
  REQUIRE_OK(journal.Record(state));

  auto read = Unwrap(ReadRestoreJournal(directory.path(), "files", "app"));
  REQUIRE(read);
  REQUIRE(read->state == state);
  REQUIRE(read->run == Facts().run);
  REQUIRE(read->begin == Facts().begin);
  REQUIRE_FALSE(Unwrap(ReadRestoreJournal(directory.path(), "files", "other")));
}

TEST_CASE("restore journal: it exists until it is removed") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  {
    RestoreJournal journal(directory.path(), Facts());
    REQUIRE_OK(journal.Remove());  // harmless before the first record
    REQUIRE_OK(journal.Record("state"));
  }
  REQUIRE(Unwrap(ReadRestoreJournal(directory.path(), "files", "app")));

  RestoreJournal journal(directory.path(), Facts());
  REQUIRE_OK(journal.Remove());

  REQUIRE_FALSE(Unwrap(ReadRestoreJournal(directory.path(), "files", "app")));
}

TEST_CASE("restore journal: only its owner can read it") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  RestoreJournal journal(directory.path(), Facts());
  REQUIRE_OK(journal.Record("state"));

  struct stat status {};
  REQUIRE(::stat((directory.path() + "/restore/files-app.json").c_str(), &status) == 0);
  REQUIRE((status.st_mode & 0777) == 0600);
}

TEST_CASE("restore journal: a malformed journal is corrupt, never ignored") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  REQUIRE_OK(MakeDirectories(directory.path() + "/restore", 0700));
  std::string path = directory.path() + "/restore/files-app.json";
  for (const char* text : {"", "{", "[]", "{}", "{\"format_version\": 2}",
                           "{\"format_version\": 1, \"kind\": \"etcd\", \"name\": \"app\"}",
                           "{\"format_version\": 1, \"kind\": \"files\", \"name\": \"app\"}",
                           "{\"format_version\": 1, \"kind\": \"files\", \"name\": \"app\", "
                           "\"begin\": \"2024-01-01T00:00:00Z\", \"state\": \"!\"}"}) {
    REQUIRE_OK(WriteFileAtomic(path, AsBytes(text), 0600));
    REQUIRE_FAILS(ReadRestoreJournal(directory.path(), "files", "app"), ErrorCode::kCorrupt, path);
  }
}

}  // namespace
}  // namespace holdfast
