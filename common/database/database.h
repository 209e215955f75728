// The only access to SQLite. A database file has one writer, which also does all checkpoints, and
// any number of readers. SQLite before 3.51.3 can damage a file in WAL mode when two connections
// write or checkpoint it (https://www.sqlite.org/wal.html, "the WAL-reset bug"). Therefore the
// writer holds a lock file as long as it lives, and readers cannot write.
//
// Start with this header and statement.h; record.h maps structs to rows, and schema.h upgrades a
// file. The room knows no table of any program.
//
// This room wraps SQLite. Start with this header and statement.h. record.h maps structs to rows,
// and schema.h upgrades a file. It knows no table of any program.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/database/database_options.h"
#include "common/database/statement.h"

namespace holdfast {

enum class DatabaseMode : std::uint8_t {
  kRead,    // never changes the file, never checkpoints
  kWrite,   // kNotFound if there is no file, kCorrupt if it is empty
  kCreate,  // like kWrite; a missing or empty file becomes an empty database, mode 0600
  // For data that may not fit in memory, for one connection: an empty database in a new file, mode
  // 0600. It is not durable, and no one else may open it. The file may be removed once it is open,
  // so that nothing remains however the process ends. kAlreadyExists if the file exists.
  kScratch,
};

// Settings of every connection except kScratch: WAL and synchronous=FULL, so that commits survive a
// power failure. Of all: foreign keys, no trust in the schema, cells checked, no memory map,
// defensive mode. One thread at a time; other threads open their own readers. Errors: kBusy, naming
// the other process if it is found, kNoSpace, kCorrupt, kDenied, kNotFound, kAlreadyExists for a
// duplicate key.
class Database {
 public:
  static Result<Database> Open(DatabaseOptions options, DatabaseMode mode);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  // If a writer is the last connection, it checkpoints and removes the WAL file.
  ~Database();

  // Prepares a statement with its parameters bound, but does not run it. Statements are cached, so
  // `sql` must be from a bounded set of texts; values never become part of it.
  template <typename... Values>
  Result<Statement> Query(std::string_view sql, const Values&... values) {
    HF_ASSIGN(Statement statement, Prepare(sql));
    statement.Bind(values...);
    return statement;
  }
  // Runs a statement and skips its rows.
  template <typename... Values>
  Result<void> Run(std::string_view sql, const Values&... values) {
    HF_ASSIGN(Statement statement, Query(sql, values...));
    return statement.Run();
  }
  // The only column of the first row; kNotFound without a row.
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
  // Runs several statements without parameters, such as migrations.
  Result<void> Execute(const std::string& script);

  // Rows changed by the last statement.
  std::int64_t changed_rows() const;
  bool is_in_transaction() const;
  bool is_read_only() const;
  // A sync failed, so the result of a commit is unknown. All further writes are refused.
  bool is_broken() const;
  const DatabaseOptions& options() const;

  // For common/database only.
  DatabaseHandle& handle() { return *handle_; }

 private:
  explicit Database(std::unique_ptr<DatabaseHandle> handle);
  std::unexpected<Error> NoRow(std::string_view sql) const;

  std::unique_ptr<DatabaseHandle> handle_;
};

// All or nothing: rolls back on destruction unless committed. Transactions do not nest.
class Transaction {
 public:
  // A writer takes the write lock at once, so that no later statement can fail for lack of it. A
  // reader sees the current state of the database until the transaction ends.
  static Result<Transaction> Begin(Database& connection);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&& other) = delete;
  ~Transaction();

  // Durable on return. After an error nothing of it is stored, with one exception: if the file
  // system failed to sync, the result is unknown, and the connection refuses all further writes.
  // The program then ends and finds out at its next start.
  Result<void> Commit();

 private:
  explicit Transaction(DatabaseHandle& database) : database_(&database) {}
  void RollBack();

  DatabaseHandle* database_;  // null after it has ended
};

}  // namespace holdfast
