#include "common/database/schema.h"

#include <string>
#include <vector>

#include "common/database/backup.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/unit/database/ledger.h"

namespace holdfast {
namespace {

using testing::LedgerIn;
using testing::Unwrap;

const std::vector<Migration> kThree = {
    {"people", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;"},
    {"pets",
     "CREATE TABLE pet(id INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES person) STRICT;"
     "CREATE INDEX pet_person ON pet(person);"},
    {"people without names",
     "CREATE TABLE person_new(id INTEGER PRIMARY KEY) STRICT;"
     "INSERT INTO person_new SELECT id FROM person; DROP TABLE person;"
     "ALTER TABLE person_new RENAME TO person;"},
};

std::span<const Migration> First(std::size_t count) { return std::span(kThree).first(count); }

Database Open(const TempDir& directory) {
  return Unwrap(Database::Open(LedgerIn(directory.path()), DatabaseMode::kCreate));
}

// A file of version 2 with a person and her pet.
Database OpenWithPet(const TempDir& directory) {
  Database writer = Open(directory);
  REQUIRE_OK(Migrate(writer, First(2)));
  REQUIRE_OK(
      writer.Execute("INSERT INTO person VALUES (1, 'anna'); INSERT INTO pet VALUES (7, 1)"));
  return writer;
}

TEST_CASE("schema: an empty file gets every migration and no copy") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Open(directory);
  MigrationOutcome outcome = Unwrap(Migrate(writer, First(2)));

  REQUIRE((outcome.from == 0 && outcome.to == 2 && outcome.copy.empty()));
  REQUIRE_OK(writer.Run("INSERT INTO person VALUES (1, 'anna')"));
  REQUIRE_OK(CheckVersion(writer, First(2)));
  REQUIRE(Unwrap(Migrate(writer, First(2))).from == 2);
}

TEST_CASE("schema: an older file is migrated, and a copy is kept") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = OpenWithPet(directory);

  MigrationOutcome outcome = Unwrap(Migrate(writer, First(3)));

  REQUIRE((outcome.from == 2 && outcome.to == 3));
  REQUIRE(Unwrap(writer.Value<int>("SELECT person FROM pet")) == 1);
  REQUIRE(Unwrap(writer.Value<int>("PRAGMA foreign_keys")) == 1);
  DatabaseOptions copy = LedgerIn(directory.path());
  copy.path = outcome.copy;
  REQUIRE(copy.path == LedgerIn(directory.path()).path + ".v2");
  Database before = Unwrap(Database::Open(copy, DatabaseMode::kRead));
  REQUIRE_OK(CheckVersion(before, First(2)));
  REQUIRE(Unwrap(before.Value<std::string>("SELECT name FROM person")) == "anna");
}

TEST_CASE("schema: a failed migration leaves the file unchanged") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Open(directory);
  REQUIRE_OK(Migrate(writer, First(2)));
  std::vector<Migration> wrong = kThree;
  wrong[2].script = "DROP TABLE pet; CREATE TABLE nonsense(;";
  REQUIRE_FAILS(Migrate(writer, wrong), ErrorCode::kInternal,
                "upgrade the ledger to version 3 (people without names)");

  REQUIRE_OK(CheckVersion(writer, First(2)));
  REQUIRE_OK(writer.Run("SELECT * FROM pet"));
  REQUIRE(Unwrap(writer.Value<int>("PRAGMA foreign_keys")) == 1);
  REQUIRE_OK(Migrate(writer, First(3)));  // the copy of the first attempt does not matter
}

TEST_CASE("schema: a migration that breaks references is refused") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = OpenWithPet(directory);
  std::vector<Migration> wrong = kThree;
  wrong[2].script = "DELETE FROM person;";

  REQUIRE_FAILS(Migrate(writer, wrong), ErrorCode::kCorrupt, "has 1 row with a dangling reference");

  REQUIRE(Unwrap(writer.Value<int>("SELECT count(*) FROM person")) == 1);
}

TEST_CASE("schema: a newer file is refused, with a hint") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Open(directory);
  REQUIRE_OK(Migrate(writer, First(3)));

  REQUIRE_FAILS(Migrate(writer, First(2)), ErrorCode::kUnsupported,
                "has schema version 3, but this program supports 2");
  REQUIRE_FAILS(Migrate(writer, First(2)), ErrorCode::kUnsupported, "some.db.v2\"");
  REQUIRE_FAILS(CheckVersion(writer, First(2)), ErrorCode::kUnsupported, "use the program");
}

TEST_CASE("schema: a reader refuses an older file, with a hint") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Open(directory);
  REQUIRE_OK(Migrate(writer, First(1)));
  Database reader = Unwrap(Database::Open(LedgerIn(directory.path()), DatabaseMode::kRead));

  REQUIRE_FAILS(CheckVersion(reader, First(2)), ErrorCode::kUnsupported,
                "start this version of the test once");
}

TEST_CASE("copy: it is a snapshot of its start, in one file") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Open(directory);
  REQUIRE_OK(Migrate(writer, First(2)));
  REQUIRE_OK(writer.Run("INSERT INTO person VALUES (1, 'anna')"));
  Database reader = Unwrap(Database::Open(LedgerIn(directory.path()), DatabaseMode::kRead));
  DatabaseOptions copy = LedgerIn(directory.path());
  copy.path = directory.path() + "/copy.db";

  REQUIRE_OK(CopyDatabase(reader, copy.path));

  REQUIRE_FALSE(reader.is_in_transaction());
  REQUIRE_OK(writer.Run("INSERT INTO person VALUES (2, 'bob')"));
  Database read = Unwrap(Database::Open(copy, DatabaseMode::kRead));
  REQUIRE(Unwrap(read.Value<int>("SELECT count(*) FROM person")) == 1);
  REQUIRE(Unwrap(read.Value<std::string>("PRAGMA journal_mode")) == "delete");
  REQUIRE(Unwrap(FindDamage(read, CheckDepth::kFull)).empty());
}

TEST_CASE("copy: it never replaces a file, and a stopped copy leaves nothing") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Open(directory);
  REQUIRE_OK(Migrate(writer, First(2)));
  std::string to = directory.path() + "/copies/copy.db";
  REQUIRE_OK(MakeDirectories(directory.path() + "/copies"));
  std::stop_source stop;
  stop.request_stop();

  REQUIRE_FAILS(CopyDatabase(writer, to, stop.get_token()), ErrorCode::kCancelled, "stopped");
  REQUIRE_OK(CopyDatabase(writer, to));
  REQUIRE_FAILS(CopyDatabase(writer, to), ErrorCode::kAlreadyExists, "name a new file");
  REQUIRE_OK(RemoveTree(to));

  REQUIRE(::rmdir((directory.path() + "/copies").c_str()) == 0);
}

}  // namespace
}  // namespace holdfast
