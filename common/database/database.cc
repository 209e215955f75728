#include "common/database/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/database/handle.h"
#include "common/io/fd.h"

namespace holdfast {
namespace {

constexpr int kStrictTables = 3'037'000;  // STRICT tables require SQLite 3.37

// A checkpoint truncates the WAL to this size. A long reader may make it larger until then.
constexpr char kWriterSettings[] =
    "PRAGMA journal_size_limit = 67108864;"
    "PRAGMA wal_autocheckpoint = 1000;";
constexpr char kReaderSettings[] =
    "PRAGMA wal_autocheckpoint = 0;"
    "PRAGMA query_only = ON;";
// The cache, in KiB, limits the memory. Changes of a large transaction go to the file.
constexpr char kScratchSettings[] =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA journal_mode = MEMORY;"
    "PRAGMA synchronous = OFF;"
    "PRAGMA cache_size = -32768;";
constexpr char kSettings[] =
    "PRAGMA trusted_schema = OFF;"
    "PRAGMA cell_size_check = ON;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA foreign_keys = ON;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA temp_store = MEMORY;";

Result<void> CheckLibrary() {
  if (sqlite3_libversion_number() < kStrictTables) {
    return Fail(ErrorCode::kUnsupported, fmt::format("SQLite {} is too old", sqlite3_libversion()),
                "install SQLite 3.37 or newer");
  }
  HF_CHECK(sqlite3_threadsafe() != 0);
  return {};
}

// Whether the file exists.
Result<bool> LookForFile(const DatabaseOptions& options, DatabaseMode mode) {
  struct stat status {};
  std::string name = fmt::format("open {} {}", options.what, Quote(options.path));
  if (::stat(options.path.c_str(), &status) != 0) {
    int number = errno;
    const bool may_make = mode == DatabaseMode::kCreate || mode == DatabaseMode::kScratch;
    if (number == ENOENT && may_make) return false;
    return Fail(ErrnoError(number, name));
  }
  if (mode == DatabaseMode::kScratch)
    return Fail(ErrorCode::kAlreadyExists, name + ": already exists");
  if (!S_ISREG(status.st_mode)) {
    return Fail(ErrorCode::kInvalidArgument, name + ": is not a regular file");
  }
  return true;
}

// SQLite would let the umask determine who may read the file.
Result<void> MakeEmptyFile(const std::string& path) {
  HF_ASSIGN(Fd file, OpenFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  return SyncParent(path);
}

Result<FileLock> LockAsWriter(const DatabaseOptions& options) {
  Result<FileLock> lock = FileLock::Acquire(
      options.path + ".lock", fmt::format("{} (process {})", options.holder, ::getpid()));
  if (lock) return lock;
  Error error = std::move(lock).error().While(
      fmt::format("open {} {} for writing", options.what, Quote(options.path)));
  if (error.code() == ErrorCode::kBusy) {
    return Fail(std::move(error).WithHint(
        "only one process may write it: stop the other one, or use another state directory"));
  }
  if (error.code() != ErrorCode::kDenied) return Fail(std::move(error));
  return Fail(std::move(error).WithHint("its directory must be writable by this user"));
}

void Harden(sqlite3* database, bool is_read_only) {
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, is_read_only ? 1 : 0, nullptr);
}

Result<void> UseWal(Database& connection) {
  HF_ASSIGN(std::string mode, connection.Value<std::string>("PRAGMA journal_mode = WAL"));
  if (mode == "wal") return {};
  return Fail(ErrorCode::kUnsupported,
              fmt::format("{} {}: its file system does not support a write-ahead log",
                          connection.options().what, Quote(connection.options().path)),
              "put it on a local file system");
}

// Reads the header, so that a file of another kind is detected here.
Result<void> CheckHeader(Database& connection, DatabaseMode mode) {
  const DatabaseOptions& options = connection.options();
  HF_ASSIGN(std::int64_t tables,
            connection.Value<std::int64_t>("SELECT count(*) FROM sqlite_schema"));
  HF_ASSIGN(std::int64_t application, connection.Value<std::int64_t>("PRAGMA application_id"));
  if (tables == 0 && application == 0) {
    if (mode == DatabaseMode::kCreate) return {};
    return Fail(DamagedDatabase(options, "is empty"));
  }
  if (application == static_cast<std::int64_t>(options.application_id)) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is a database, but not a {}", Quote(options.path), options.what),
              "it is the file of another program, or for another purpose; check the path");
}

}  // namespace

DatabaseHandle::~DatabaseHandle() {
  idle_statements.clear();
  // Fails only while statements are in use. They must not outlive their connection.
  HF_CHECK(sqlite3_close(database) == SQLITE_OK);
}

Result<void> ExecuteText(DatabaseHandle& database, const char* sql) {
  errno = 0;
  int code = sqlite3_exec(database.database, sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return {};
  return Fail(DatabaseError(database, sqlite3_extended_errcode(database.database)));
}

Database::Database(std::unique_ptr<DatabaseHandle> handle) : handle_(std::move(handle)) {}
Database::Database(Database&& other) noexcept = default;
Database& Database::operator=(Database&& other) noexcept = default;
Database::~Database() = default;

Result<Database> Database::Open(DatabaseOptions options, DatabaseMode mode) {
  HF_TRY(CheckLibrary());
  HF_ASSIGN(bool is_there, LookForFile(options, mode));
  const bool is_scratch = mode == DatabaseMode::kScratch;
  auto handle = std::make_unique<DatabaseHandle>();
  handle->is_read_only = mode == DatabaseMode::kRead;
  handle->options = std::move(options);
  const std::string& path = handle->options.path;
  if (!handle->is_read_only) {
    if (!is_scratch) {
      HF_ASSIGN(handle->lock, LockAsWriter(handle->options));
    }
    if (!is_there) HF_TRY(MakeEmptyFile(path));
  }
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE |
              (handle->is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
  errno = 0;
  int code = sqlite3_open_v2(path.c_str(), &handle->database, flags, nullptr);
  if (code != SQLITE_OK) return Fail(DatabaseError(*handle, code));
  sqlite3_busy_timeout(handle->database, static_cast<int>(handle->options.busy_timeout.count()));
  Harden(handle->database, handle->is_read_only);
  // When asked to write, SQLite silently opens a write-protected file for reading.
  if (!handle->is_read_only && sqlite3_db_readonly(handle->database, "main") != 0) {
    return Fail(DatabaseError(*handle, SQLITE_READONLY));
  }
  Database connection(std::move(handle));
  HF_TRY(ExecuteText(*connection.handle_, kSettings));
  if (is_scratch) {
    HF_TRY(ExecuteText(*connection.handle_, kScratchSettings));
    return connection;
  }
  HF_TRY(CheckHeader(connection, mode));
  if (connection.is_read_only()) {
    HF_TRY(ExecuteText(*connection.handle_, kReaderSettings));
  } else {
    HF_TRY(UseWal(connection));
    HF_TRY(ExecuteText(*connection.handle_, kWriterSettings));
  }
  return connection;
}

Result<Statement> Database::Prepare(std::string_view sql) {
  auto& idle = handle_->idle_statements;
  if (auto found = idle.find(sql); found != idle.end()) {
    std::unique_ptr<StatementHandle> kept = std::move(found->second);
    idle.erase(found);
    return Statement(*handle_, std::move(kept));
  }
  sqlite3_stmt* statement = nullptr;
  errno = 0;
  int code = sqlite3_prepare_v3(handle_->database, sql.data(), static_cast<int>(sql.size()),
                                SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Fail(DatabaseError(*handle_, code));
  HF_CHECK(statement != nullptr);  // an empty text
  return Statement(*handle_, std::make_unique<StatementHandle>(statement, sql));
}

Result<void> Database::Execute(const std::string& script) {
  if (handle_->broken) return Fail(*handle_->broken);
  return ExecuteText(*handle_, script.c_str());
}

std::unexpected<Error> Database::NoRow(std::string_view sql) const {
  return Fail(ErrorCode::kNotFound, fmt::format("{} {}: {} found nothing", handle_->options.what,
                                                Quote(handle_->options.path), Quote(sql)));
}

std::int64_t Database::changed_rows() const { return sqlite3_changes64(handle_->database); }
bool Database::is_in_transaction() const { return sqlite3_get_autocommit(handle_->database) == 0; }
bool Database::is_read_only() const { return handle_->is_read_only; }
bool Database::is_broken() const { return handle_->broken.has_value(); }
const DatabaseOptions& Database::options() const { return handle_->options; }

Result<Transaction> Transaction::Begin(Database& connection) {
  HF_CHECK(!connection.is_in_transaction());
  DatabaseHandle& database = connection.handle();
  if (database.broken) return Fail(*database.broken);
  HF_TRY(ExecuteText(database, connection.is_read_only() ? "BEGIN" : "BEGIN IMMEDIATE"));
  Transaction transaction(database);
  if (connection.is_read_only()) {
    // Only the first read determines what a reader sees.
    HF_TRY(connection.Run("SELECT count(*) FROM sqlite_schema"));
  }
  return transaction;
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() { RollBack(); }

void Transaction::RollBack() {
  DatabaseHandle* database = std::exchange(database_, nullptr);
  if (database == nullptr) return;
  // SQLite rolls back by itself after some errors.
  if (sqlite3_get_autocommit(database->database) != 0) return;
  (void)ExecuteText(*database, "ROLLBACK");  // fails only if there is nothing to roll back
}

Result<void> Transaction::Commit() {
  HF_CHECK(database_ != nullptr);
  CrashPoint("database.before_commit");
  Result<void> committed = ExecuteText(*database_, "COMMIT");
  if (committed) {
    CrashPoint("database.after_commit");
    database_ = nullptr;
    return {};
  }
  int code = sqlite3_extended_errcode(database_->database);
  bool is_unknown =
      code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC ||
      ((code & 0xff) == SQLITE_IOERR && committed.error().code() != ErrorCode::kNoSpace);
  if (is_unknown) {
    database_->broken =
        Error(committed.error())
            .While("the last change may or may not be recorded")
            .WithHint("check the kernel's log for disk errors, and restart the program");
  }
  RollBack();
  return committed;
}

}  // namespace holdfast
