// SQLite's objects, and the conversion of its errors. For common/database only.
#pragma once

#include <sqlite3.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/database/database_options.h"
#include "common/io/file_lock.h"

namespace holdfast {

struct StatementHandle {
  StatementHandle(sqlite3_stmt* prepared, std::string_view text) : statement(prepared), sql(text) {}
  StatementHandle(const StatementHandle&) = delete;
  StatementHandle& operator=(const StatementHandle&) = delete;
  ~StatementHandle() { (void)sqlite3_finalize(statement); }  // only repeats the last step's error

  sqlite3_stmt* statement;
  std::string sql;
  int bind_code = SQLITE_OK;  // of the first value that could not be bound
  int bind_index = 0;
};

struct DatabaseHandle {
  DatabaseHandle() = default;
  DatabaseHandle(const DatabaseHandle&) = delete;
  DatabaseHandle& operator=(const DatabaseHandle&) = delete;
  ~DatabaseHandle();

  std::optional<FileLock> lock;  // held by a writer
  sqlite3* database = nullptr;
  DatabaseOptions options;
  bool is_read_only = false;
  std::optional<Error> broken;
  std::map<std::string, std::unique_ptr<StatementHandle>, std::less<>> idle_statements;
};

// The Error for the result `code` of the last SQLite call on `database`. `errno` was 0 before it.
Error DatabaseError(const DatabaseHandle& database, int code);
// For a file with unexpected content.
Error DamagedDatabase(const DatabaseOptions& options, std::string_view how);

// Runs statements and ignores their rows.
Result<void> ExecuteText(DatabaseHandle& database, const char* sql);

}  // namespace holdfast
