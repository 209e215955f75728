#include "common/database/statement.h"

#include <cerrno>

#include "common/base/format.h"
#include "common/database/handle.h"

namespace holdfast {
namespace {

// Statements come from a fixed set of texts; the limit only bounds the effect of a mistake.
constexpr std::size_t kIdleStatementsMax = 256;

std::string_view TypeName(int type) {
  switch (type) {
    case SQLITE_INTEGER:
      return "an integer";
    case SQLITE_FLOAT:
      return "a real number";
    case SQLITE_TEXT:
      return "text";
    case SQLITE_BLOB:
      return "bytes";
    default:
      return "null";
  }
}

std::string ColumnName(sqlite3_stmt* statement, int column) {
  const char* name = sqlite3_column_name(statement, column);
  return Quote(name == nullptr ? "" : name);
}

}  // namespace

Statement::Statement(DatabaseHandle& database, std::unique_ptr<StatementHandle> handle)
    : database_(&database), handle_(std::move(handle)) {}

Statement::Statement(Statement&& other) noexcept = default;

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(database_, other.database_);
  std::swap(handle_, other.handle_);
  return *this;
}

Statement::~Statement() {
  if (handle_ == nullptr) return;
  Reset();
  auto& idle = database_->idle_statements;
  if (idle.size() >= kIdleStatementsMax) return;
  std::string sql = handle_->sql;
  (void)idle.try_emplace(std::move(sql), std::move(handle_));  // duplicates are dropped
}

void Statement::Reset() {
  (void)sqlite3_reset(handle_->statement);  // repeats the last step's error
  (void)sqlite3_clear_bindings(handle_->statement);
  handle_->bind_code = SQLITE_OK;
}

Result<bool> Statement::Next() {
  sqlite3_stmt* statement = handle_->statement;
  if (handle_->bind_code != SQLITE_OK) {
    ErrorCode code =
        handle_->bind_code == SQLITE_RANGE ? ErrorCode::kInternal : ErrorCode::kInvalidArgument;
    return Fail(code, fmt::format("{}: value {} of {} cannot be stored: {}",
                                  database_->options.what, handle_->bind_index, Quote(handle_->sql),
                                  sqlite3_errstr(handle_->bind_code)));
  }
  if (database_->broken && sqlite3_stmt_readonly(statement) == 0) return Fail(*database_->broken);
  errno = 0;
  int code = sqlite3_step(statement);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    (void)sqlite3_reset(statement);  // releases its read lock; cannot fail after DONE
    return false;
  }
  Error error = DatabaseError(*database_, sqlite3_extended_errcode(database_->database));
  (void)sqlite3_reset(statement);  // repeats the same error
  return Fail(std::move(error));
}

Result<void> Statement::Run() {
  for (;;) {
    HF_ASSIGN(bool has_row, Next());
    if (!has_row) return {};
  }
}

void Statement::Remember(int index, int code) {
  if (code == SQLITE_OK || handle_->bind_code != SQLITE_OK) return;
  handle_->bind_code = code;
  handle_->bind_index = index;
}

void Statement::BindNull(int index) {
  Remember(index, sqlite3_bind_null(handle_->statement, index));
}

void Statement::BindInteger(int index, std::int64_t value) {
  Remember(index, sqlite3_bind_int64(handle_->statement, index, value));
}

void Statement::BindText(int index, std::string_view value) {
  // A null pointer would bind NULL instead of an empty text.
  const char* text = value.empty() ? "" : value.data();
  Remember(index, sqlite3_bind_text64(handle_->statement, index, text, value.size(),
                                      SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::BindBlob(int index, ByteView value) {
  int code = value.empty() ? sqlite3_bind_zeroblob(handle_->statement, index, 0)
                           : sqlite3_bind_blob64(handle_->statement, index, value.data(),
                                                 value.size(), SQLITE_TRANSIENT);
  Remember(index, code);
}

void Statement::RefuseValue(int index) { Remember(index, SQLITE_TOOBIG); }

bool Statement::IsNull(int column) const {
  HF_CHECK(column < sqlite3_data_count(handle_->statement));
  return sqlite3_column_type(handle_->statement, column) == SQLITE_NULL;
}

Result<void> Statement::Expect(int column, int type) const {
  HF_CHECK(column < sqlite3_data_count(handle_->statement));
  int found = sqlite3_column_type(handle_->statement, column);
  if (found == type) return {};
  return Fail(DamagedDatabase(
      database_->options,
      fmt::format("is damaged: column {} has {}, not {}", ColumnName(handle_->statement, column),
                  TypeName(found), TypeName(type))));
}

std::unexpected<Error> Statement::OutOfRange(int column) const {
  return Fail(DamagedDatabase(database_->options,
                              fmt::format("is damaged: column {} has a value out of range",
                                          ColumnName(handle_->statement, column))));
}

Result<std::int64_t> Statement::Integer(int column) const {
  HF_TRY(Expect(column, SQLITE_INTEGER));
  return sqlite3_column_int64(handle_->statement, column);
}

Result<ByteView> Statement::Blob(int column) const {
  HF_TRY(Expect(column, SQLITE_BLOB));
  const void* data = sqlite3_column_blob(handle_->statement, column);
  int size = sqlite3_column_bytes(handle_->statement, column);
  return ByteView(static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size));
}

Result<void> Statement::ReadOne(int column, std::string& into) const {
  HF_TRY(Expect(column, SQLITE_TEXT));
  ByteView text(sqlite3_column_text(handle_->statement, column),
                static_cast<std::size_t>(sqlite3_column_bytes(handle_->statement, column)));
  into = AsText(text);
  return {};
}

Result<void> Statement::ReadOne(int column, Bytes& into) const {
  HF_ASSIGN(ByteView bytes, Blob(column));
  into.assign(bytes.begin(), bytes.end());
  return {};
}

}  // namespace holdfast
