#include "common/database/database.h"

#include <sys/stat.h>
#include <unistd.h>

#include <limits>
#include <optional>
#include <string>

#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/unit/database/ledger.h"

namespace holdfast {
namespace {

using testing::LedgerIn;
using testing::Unwrap;

Database Writer(const TempDir& directory) {
  Database writer = Unwrap(Database::Open(LedgerIn(directory.path()), DatabaseMode::kCreate));
  REQUIRE_OK(
      writer.Execute("PRAGMA application_id = 0x48460001;"
                     "CREATE TABLE IF NOT EXISTS item(id INTEGER PRIMARY KEY, name TEXT NOT NULL "
                     "UNIQUE, body BLOB, weight INTEGER) STRICT;"));
  return writer;
}

std::int64_t Count(Database& connection) {
  return Unwrap(connection.Value<std::int64_t>("SELECT count(*) FROM item"));
}

TEST_CASE("database: values are read back unchanged") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Writer(directory);
  std::string name("a\0b", 3);
  REQUIRE_OK(writer.Run("INSERT INTO item VALUES (?, ?, ?, ?)",
                        std::numeric_limits<std::int64_t>::max(), name, Bytes{0, 1, 255}, 15));
  REQUIRE_OK(writer.Run("INSERT INTO item VALUES (?, ?, ?, ?)", 2U, "", ByteView(), std::nullopt));

  Statement rows = Unwrap(writer.Query("SELECT id, name, body, weight FROM item ORDER BY id"));
  std::uint64_t id = 0;
  std::string read;
  Bytes body{9};
  std::optional<std::int32_t> weight = 7;
  REQUIRE(Unwrap(rows.Next()));
  REQUIRE_OK(rows.Read(id, read, body, weight));
  REQUIRE((id == 2 && read.empty() && body.empty() && !weight));
  REQUIRE(Unwrap(rows.Next()));
  REQUIRE_OK(rows.Read(id, read, body, weight));
  REQUIRE(id == static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  REQUIRE((read == name && body == Bytes{0, 1, 255} && weight == 15));
  REQUIRE_FALSE(Unwrap(rows.Next()));
}

TEST_CASE("database: a value out of range or of another type is refused, written or read") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Writer(directory);
  REQUIRE_FAILS(writer.Run("INSERT INTO item(id, name) VALUES (?, ?)", ~std::uint64_t{0}, "x"),
                ErrorCode::kInvalidArgument, "value 1");
  REQUIRE_OK(writer.Run("INSERT INTO item(id, name) VALUES (?, ?)", -1, "x"));

  Statement row = Unwrap(writer.Query("SELECT id, name, body FROM item"));
  REQUIRE(Unwrap(row.Next()));
  std::uint64_t id = 0;
  REQUIRE_FAILS(row.Read(id), ErrorCode::kCorrupt, "out of range (hint: run the doctor)");
  bool flag = false;
  REQUIRE_FAILS(row.Read(flag), ErrorCode::kCorrupt, "\"id\"");
  std::string text;
  REQUIRE_FAILS(row.Read(text), ErrorCode::kCorrupt, "has an integer, not text");
  std::int64_t number = 0;
  std::array<std::uint8_t, 32> hash{};
  REQUIRE_FAILS(row.Read(number, text, hash), ErrorCode::kCorrupt, "has null, not bytes");
}

TEST_CASE("database: a statement is reused, and two with the same text are independent") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Writer(directory);
  for (int i = 0; i < 3; ++i) {
    REQUIRE_OK(writer.Run("INSERT INTO item(id, name) VALUES (?, ?)", i, std::to_string(i)));
  }

  Statement outer = Unwrap(writer.Query("SELECT id FROM item ORDER BY id"));
  int rows = 0;
  while (Unwrap(outer.Next())) {
    Statement inner = Unwrap(writer.Query("SELECT id FROM item ORDER BY id"));
    while (Unwrap(inner.Next())) ++rows;
  }

  REQUIRE(rows == 9);
}

TEST_CASE("database: a duplicate key is distinguished from a bug") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Writer(directory);
  REQUIRE_OK(writer.Run("INSERT INTO item(id, name) VALUES (1, 'x')"));

  REQUIRE_FAILS(writer.Run("INSERT INTO item(id, name) VALUES (1, 'y')"), ErrorCode::kAlreadyExists,
                "item.id");
  REQUIRE_FAILS(writer.Run("INSERT INTO item(id, name) VALUES (2, 'x')"), ErrorCode::kAlreadyExists,
                "item.name");
  REQUIRE_FAILS(writer.Run("INSERT INTO item(id) VALUES (2)"), ErrorCode::kInternal, "item.name");
  REQUIRE_FAILS(writer.Run("INSERT INTO nowhere VALUES (2)"), ErrorCode::kInternal, "nowhere");
}

TEST_CASE("transaction: uncommitted changes are discarded") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Writer(directory);
  {
    Transaction transaction = Unwrap(Transaction::Begin(writer));
    REQUIRE_OK(writer.Run("INSERT INTO item(id, name) VALUES (1, 'x')"));
  }
  REQUIRE(Count(writer) == 0);
  REQUIRE_FALSE(writer.is_in_transaction());

  Transaction transaction = Unwrap(Transaction::Begin(writer));
  REQUIRE_OK(writer.Run("INSERT INTO item(id, name) VALUES (1, 'x')"));
  REQUIRE_OK(transaction.Commit());

  REQUIRE(Count(writer) == 1);
}

TEST_CASE("transaction: a reader sees one snapshot until it ends") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Writer(directory);
  Database reader = Unwrap(Database::Open(LedgerIn(directory.path()), DatabaseMode::kRead));
  {
    Transaction moment = Unwrap(Transaction::Begin(reader));
    REQUIRE_OK(writer.Run("INSERT INTO item(id, name) VALUES (1, 'x')"));
    REQUIRE(Count(reader) == 0);
  }
  REQUIRE(Count(reader) == 1);
}

TEST_CASE("database: a reader cannot write") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Writer(directory);
  Database reader = Unwrap(Database::Open(LedgerIn(directory.path()), DatabaseMode::kRead));

  REQUIRE(reader.is_read_only());
  REQUIRE_FAILS(reader.Run("INSERT INTO item(id, name) VALUES (1, 'x')"), ErrorCode::kDenied,
                "cannot be written:");
  REQUIRE_FAILS(reader.Execute("PRAGMA query_only = OFF; DELETE FROM item;"), ErrorCode::kDenied,
                "cannot be written:");
}

TEST_CASE("database: there is one writer, and a second one learns who it is") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  {
    Database writer = Writer(directory);
    REQUIRE_FAILS(Database::Open(LedgerIn(directory.path()), DatabaseMode::kWrite),
                  ErrorCode::kBusy,
                  "held by the test (process " + std::to_string(::getpid()) + ")");
  }
  REQUIRE_OK(Database::Open(LedgerIn(directory.path()), DatabaseMode::kWrite));
}

TEST_CASE("database: durability settings are enabled") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Writer(directory);
  for (auto [pragma, value] : {std::pair("synchronous", 2), std::pair("foreign_keys", 1),
                               std::pair("trusted_schema", 0), std::pair("cell_size_check", 1)}) {
    INFO(pragma);
    REQUIRE(Unwrap(writer.Value<int>(std::string("PRAGMA ") + pragma)) == value);
  }
  REQUIRE(Unwrap(writer.Value<std::string>("PRAGMA journal_mode")) == "wal");
  // Defensive mode: the schema cannot be edited by hand.
  REQUIRE_OK(writer.Execute("PRAGMA writable_schema = ON"));
  REQUIRE_FAILS(writer.Run("UPDATE sqlite_schema SET sql = '' WHERE name = 'item'"),
                ErrorCode::kInternal, "may not be modified");
}

TEST_CASE("database: the files are accessible only to their owner") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Writer(directory);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat status {};
    REQUIRE(::stat((LedgerIn(directory.path()).path + suffix).c_str(), &status) == 0);
    REQUIRE((status.st_mode & 0777) == 0600);
  }
}

TEST_CASE("database: a writer leaves one file when it closes") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  {
    Database writer = Writer(directory);
    REQUIRE_OK(writer.Run("INSERT INTO item(id, name) VALUES (1, 'x')"));
  }
  struct stat status {};
  REQUIRE(::stat((LedgerIn(directory.path()).path + "-wal").c_str(), &status) != 0);
  Database reader = Unwrap(Database::Open(LedgerIn(directory.path()), DatabaseMode::kRead));
  REQUIRE(Count(reader) == 1);
}

TEST_CASE("database: a scratch database works without its file, and leaves nothing") {
  std::optional<TempDir> directory = Unwrap(TempDir::Create("database"));
  const std::string path = directory->path();
  Database scratch = Unwrap(Database::Open(LedgerIn(directory->path()), DatabaseMode::kScratch));
  REQUIRE_FAILS(Database::Open(LedgerIn(directory->path()), DatabaseMode::kScratch),
                ErrorCode::kAlreadyExists, "ledger");
  directory.reset();
  REQUIRE(::access(path.c_str(), F_OK) != 0);

  REQUIRE_OK(scratch.Execute("CREATE TABLE item(id INTEGER PRIMARY KEY, body BLOB) STRICT; BEGIN"));
  // More than its cache.
  const Bytes body(1U << 20, 7);
  for (int i = 0; i < 100; ++i) REQUIRE_OK(scratch.Run("INSERT INTO item VALUES (?, ?)", i, body));
  REQUIRE_OK(scratch.Execute("COMMIT"));
  REQUIRE(Unwrap(scratch.Value<std::int64_t>("SELECT sum(length(body)) FROM item")) ==
          100 * (1 << 20));
  REQUIRE(::access(path.c_str(), F_OK) != 0);
}

}  // namespace
}  // namespace holdfast
