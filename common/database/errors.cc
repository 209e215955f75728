#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <vector>

#include "common/base/format.h"
#include "common/database/handle.h"
#include "common/io/fd.h"

namespace holdfast {
namespace {

std::string NameOf(const DatabaseOptions& options) {
  return fmt::format("{} {}", options.what, Quote(options.path));
}

bool IsNoSpace(int number) { return number == ENOSPC || number == EDQUOT || number == EFBIG; }

// "08:01:5678", as /proc/locks names the locked file; empty if it does not exist.
std::string LockedFileOf(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return "";
  return fmt::format("{:02x}:{:02x}:{}", major(status.st_dev), minor(status.st_dev), status.st_ino);
}

std::vector<std::string> WordsOf(std::string_view line) {
  std::istringstream in{std::string(line)};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// The process that holds a lock on the database. Read from the kernel's table, because opening the
// file for fcntl() would drop all locks of this process on it at close (POSIX.1, fcntl).
std::string LockHolderOf(const std::string& path) {
  Result<Bytes> table = ReadWholeFile("/proc/locks");
  if (!table) return "";
  std::string files[] = {LockedFileOf(path), LockedFileOf(path + "-shm")};
  std::string own = std::to_string(::getpid());
  std::istringstream lines{std::string(AsText(*table))};
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> words = WordsOf(line);
    // "7: POSIX  ADVISORY  WRITE 1234 08:01:5678 120 120"
    if (words.size() < 8 || words[1] != "POSIX" || words[3] != "WRITE" || words[4] == own) continue;
    if (words[5] != files[0] && words[5] != files[1]) continue;
    Result<Bytes> name = ReadWholeFile(fmt::format("/proc/{}/comm", words[4]));
    std::string command = name ? std::string(AsText(*name)) : "";
    while (!command.empty() && command.back() == '\n') command.pop_back();
    return fmt::format("process {} {}", words[4], Quote(command));
  }
  return "";
}

Error BusyError(const DatabaseOptions& options) {
  std::string holder = LockHolderOf(options.path);
  if (holder.empty()) holder = "another process";
  return Error(ErrorCode::kBusy, fmt::format("{} is locked by {}", NameOf(options), holder))
      .WithHint(
          fmt::format("stop the process that writes to it; `fuser {} {}-shm` lists the processes "
                      "that have it open, and `sqlite3 -readonly` reads it without a lock",
                      options.path, options.path));
}

Error FileError(const DatabaseOptions& options, int code, int number, std::string_view text) {
  ErrorCode kind = code == SQLITE_CANTOPEN ? ErrorCode::kUnavailable : ErrorCode::kInternal;
  std::string reason(text);
  if (number != 0) {
    Error error = ErrnoError(number, "");
    kind = error.code();
    reason = error.message().substr(2);
  }
  if (kind == ErrorCode::kDenied) {
    return Error(kind, fmt::format("{}: {}", NameOf(options), reason))
        .WithHint("the file and its directory must belong to this user");
  }
  return Error(kind, fmt::format("{}: {}", NameOf(options), reason));
}

}  // namespace

Error DamagedDatabase(const DatabaseOptions& options, std::string_view how) {
  return Error(ErrorCode::kCorrupt, fmt::format("{} {}", NameOf(options), how))
      .WithHint(options.corrupt_hint);
}

Error DatabaseError(const DatabaseHandle& database, int code) {
  int call_errno = errno;  // before any call changes it
  const DatabaseOptions& options = database.options;
  std::string text =
      database.database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database.database);
  // SQLite does not keep errno for an error in COMMIT. Successful calls do not change errno.
  int number = database.database == nullptr ? 0 : sqlite3_system_errno(database.database);
  if (IsNoSpace(call_errno) || call_errno == EIO) number = call_errno;
  int primary = code & 0xff;
  bool is_sync = code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
  if (primary == SQLITE_FULL || (primary == SQLITE_IOERR && !is_sync && IsNoSpace(number))) {
    return Error(ErrorCode::kNoSpace,
                 fmt::format("{}: no space left to write to it", NameOf(options)))
        .WithHint("free space on its file system, or raise the quota; the change was not recorded");
  }
  switch (primary) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return BusyError(options);
    case SQLITE_CORRUPT:
      return DamagedDatabase(options, "is damaged: " + text);
    case SQLITE_NOTADB:
      return DamagedDatabase(options, "is not a database");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Error(ErrorCode::kDenied,
                   fmt::format("{} cannot be written: {}", NameOf(options), text))
          .WithHint(
              "the file and its directory must be writable by this user, on a file system "
              "that is not mounted read-only");
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
      return FileError(options, primary, number, text);
    case SQLITE_CONSTRAINT:
      if (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE ||
          code == SQLITE_CONSTRAINT_ROWID) {
        return Error(ErrorCode::kAlreadyExists, fmt::format("{}: {}", NameOf(options), text));
      }
      return Error(ErrorCode::kInternal, fmt::format("{}: {}", NameOf(options), text));
    case SQLITE_TOOBIG:
      return Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", NameOf(options), text));
    case SQLITE_INTERRUPT:
      return Error(ErrorCode::kCancelled, fmt::format("{}: {}", NameOf(options), text));
    default:
      return Error(ErrorCode::kInternal, fmt::format("{}: {} ({})", NameOf(options), text, code));
  }
}

}  // namespace holdfast
