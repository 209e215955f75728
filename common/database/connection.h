// The only door to SQLite. One database file has one writer, which also does all checkpoints, and
// any number of readers: releases of SQLite before 3.51.3 can damage a file in WAL mode when two
// connections write or checkpoint it (https://www.sqlite.org/wal.html, "the WAL-reset bug"), so the
// writer holds a lock file for its life and readers cannot write.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/database/statement.h"

namespace holdfast {

enum class DatabaseMode : std::uint8_t {
  kRead,    // never changes the file, never checkpoints
  kWrite,   // kNotFound when there is no file, kCorrupt when it is empty
  kCreate,  // as kWrite; an absent or empty file becomes an empty database, mode 0600
  // For more than memory should hold, for one connection: an empty database in a file that is not
  // there yet, mode 0600. Nothing in it is durable, and nobody else may open it; the file may be
  // removed as soon as it is open, so that nothing stays however the process ends. kAlreadyExists.
  kScratch,
};

struct DatabaseOptions {
  std::string path;
  std::string what;  // as errors name it: "catalog"
  // Written into the file by Migrate() (common/database/schema.h); other files are refused.
  std::uint32_t application_id = 0;
  // What a person should do about a damaged file.
  std::string corrupt_hint;
  // Who the writer is, for whoever finds the file locked: "holdfast-controller". The process id is
  // added.
  std::string holder = "holdfast";
  std::chrono::milliseconds busy_timeout{5'000};
};

// Settings of every connection but kScratch: WAL, synchronous=FULL, so that what was committed
// survives a power cut; of all: foreign keys, no trust in the schema, cells checked, no memory map,
// defensive mode. One thread at a time; another thread opens a reader of its own. Errors: kBusy
// with the other process where it can be found, kNoSpace, kCorrupt, kDenied, kNotFound,
// kAlreadyExists for a key that is there already.
class Connection {
 public:
  static Result<Connection> Open(DatabaseOptions options, DatabaseMode mode);
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  // A writer that is the last connection checkpoints and removes the WAL file.
  ~Connection();

  // The statement with its parameters bound, not yet run. Statements are kept and used again, so
  // `sql` is one of a bounded set of texts; values never become part of it.
  template <typename... Values>
  Result<Statement> Query(std::string_view sql, const Values&... values) {
    HF_ASSIGN(Statement statement, Prepare(sql));
    statement.Bind(values...);
    return statement;
  }
  // Runs it.
  template <typename... Values>
  Result<void> Run(std::string_view sql, const Values&... values) {
    HF_ASSIGN(Statement statement, Query(sql, values...));
    return statement.Run();
  }
  // The only column of the first row; kNotFound without one.
  template <typename T, typename... Values>
  Result<T> Value(std::string_view sql, const Values&... values) {
    HF_ASSIGN(Statement statement, Query(sql, values...));
    HF_ASSIGN(bool has_row, statement.Next());
    if (!has_row) return NoRow(sql);
    T value{};
    HF_TRY(statement.Read(value));
    return value;
  }
  Result<Statement> Prepare(std::string_view sql);
  // Several statements at once, without parameters: what migrations are written in.
  Result<void> Execute(const std::string& script);

  // Rows that the last statement changed.
  std::int64_t changed_rows() const;
  bool is_in_transaction() const;
  bool is_read_only() const;
  // A sync failed, so that what a commit left behind is unknown: every further write is refused.
  bool is_broken() const;
  const DatabaseOptions& options() const;

  // Moves the WAL into the database file and empties it, as far as readers allow.
  // REQUIRES: no transaction is open.
  Result<void> Checkpoint();

  // For this room only.
  DatabaseHandle& handle() { return *handle_; }

 private:
  explicit Connection(std::unique_ptr<DatabaseHandle> handle);
  std::unexpected<Error> NoRow(std::string_view sql) const;

  std::unique_ptr<DatabaseHandle> handle_;
};

// All or nothing: what was not committed when it goes is rolled back. Transactions do not nest.
class Transaction {
 public:
  // A writer takes its lock at once, so that no statement in it can fail for want of it. A reader
  // sees the database as it is now until the transaction ends.
  static Result<Transaction> Begin(Connection& connection);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&& other) = delete;
  ~Transaction();

  // Durable on return. After an error nothing of it exists, with one exception: when the file
  // system failed to sync, nobody knows, and the connection refuses all further writing. The
  // program then ends and finds out at its next start.
  Result<void> Commit();

 private:
  explicit Transaction(DatabaseHandle& database) : database_(&database) {}
  void RollBack();

  DatabaseHandle* database_;  // null once it has ended
};

}  // namespace holdfast
