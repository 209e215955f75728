#include "common/database/backup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "common/base/format.h"
#include "common/base/random.h"
#include "common/database/handle.h"
#include "common/io/fd.h"

namespace holdfast {
namespace {

constexpr std::size_t kFindingsMax = 20;
constexpr int kPagesPerStep = 4096;  // 16 MiB between checks of the stop token

Result<void> AddForeignKeyDamage(Database& connection, std::vector<std::string>& findings) {
  HF_ASSIGN(Statement keys, connection.Query("SELECT \"table\", rowid, parent FROM "
                                             "pragma_foreign_key_check"));
  while (findings.size() < kFindingsMax) {
    HF_ASSIGN(bool has_row, keys.Next());
    if (!has_row) break;
    std::string table;
    std::optional<std::int64_t> row;
    std::string parent;
    HF_TRY(keys.Read(table, row, parent));
    findings.push_back(fmt::format("row {} of {} points to nothing in {}", row.value_or(0),
                                   Quote(table), Quote(parent)));
  }
  return {};
}

Result<void> AddStructureDamage(Database& connection, CheckDepth depth,
                                std::vector<std::string>& findings) {
  HF_ASSIGN(Statement check,
            connection.Query(depth == CheckDepth::kFull ? "PRAGMA integrity_check(20)"
                                                        : "PRAGMA quick_check(20)"));
  for (;;) {
    HF_ASSIGN(bool has_row, check.Next());
    if (!has_row) return {};
    std::string line;
    HF_TRY(check.Read(line));
    if (line != "ok") findings.push_back(line);
  }
}

// Owns the copy's temporary name and removes it on destruction.
class UnfinishedCopy {
 public:
  explicit UnfinishedCopy(std::string path) : path_(std::move(path)) {}
  UnfinishedCopy(const UnfinishedCopy&) = delete;
  UnfinishedCopy& operator=(const UnfinishedCopy&) = delete;
  ~UnfinishedCopy() {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
      (void)::unlink((path_ + suffix).c_str());  // most do not exist
    }
  }
  const std::string& path() const { return path_; }

  Result<void> Publish(const std::string& to) const {
    HF_ASSIGN(Fd file, OpenFile(path_, O_RDONLY));
    HF_TRY(SyncFile(file.get(), path_));
    // A hard link never replaces an existing file.
    if (::link(path_.c_str(), to.c_str()) != 0) {
      return Fail(ErrnoError(errno, "create " + Quote(to)));
    }
    return SyncParent(to);
  }

 private:
  std::string path_;
};

Result<void> CopyPages(DatabaseHandle& from, DatabaseHandle& to, const std::stop_token& stop) {
  errno = 0;
  sqlite3_backup* backup = sqlite3_backup_init(to.database, "main", from.database, "main");
  if (backup == nullptr) {
    return Fail(DatabaseError(to, sqlite3_extended_errcode(to.database)));
  }
  int code = SQLITE_OK;
  while (code == SQLITE_OK && !stop.stop_requested()) {
    code = sqlite3_backup_step(backup, kPagesPerStep);
  }
  (void)sqlite3_backup_finish(backup);  // repeats the error of the last step
  if (code == SQLITE_DONE) return {};
  if (code == SQLITE_OK) {
    return Fail(ErrorCode::kCancelled, fmt::format("copy {}: stopped", from.options.what));
  }
  // Reading and writing return the same codes; only the side that failed has recorded it.
  bool is_source = sqlite3_errcode(from.database) == (code & 0xff);
  return Fail(DatabaseError(is_source ? from : to, code));
}

Result<void> FillCopy(Database& from, const std::string& path, const std::stop_token& stop) {
  DatabaseHandle copy;
  copy.options = from.options();
  copy.options.path = path;
  copy.options.what = "copy of the " + copy.options.what;
  errno = 0;
  int code =
      sqlite3_open_v2(path.c_str(), &copy.database,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  if (code != SQLITE_OK) return Fail(DatabaseError(copy, code));
  {
    // Without it the copy would restart after each commit, and might never end.
    std::optional<Transaction> pinned;
    if (from.is_read_only()) {
      HF_ASSIGN(Transaction begun, Transaction::Begin(from));
      pinned.emplace(std::move(begun));
    }
    HF_TRY(CopyPages(from.handle(), copy, stop));
  }
  // The copy is still in WAL mode; a single file is easier to move.
  return ExecuteText(copy, "PRAGMA journal_mode = DELETE");
}

Result<void> CheckCopy(const DatabaseOptions& options, const std::string& path) {
  DatabaseOptions copy = options;
  copy.path = path;
  copy.what = "copy of the " + options.what;
  HF_ASSIGN(Database connection, Database::Open(std::move(copy), DatabaseMode::kRead));
  HF_ASSIGN(std::vector<std::string> damage, FindDamage(connection, CheckDepth::kFull));
  if (damage.empty()) return {};
  return Fail(DamagedDatabase(options, "is damaged: " + damage.front()));
}

}  // namespace

Result<std::vector<std::string>> FindDamage(Database& connection, CheckDepth depth) {
  std::vector<std::string> findings;
  Result<void> looked = AddStructureDamage(connection, depth, findings);
  if (!looked) {
    // Some damage aborts the check itself.
    if (looked.error().code() != ErrorCode::kCorrupt) return Fail(std::move(looked).error());
    findings.push_back(looked.error().message());
  }
  // If the structure is broken, checking foreign keys would only report that again.
  if (findings.empty()) HF_TRY(AddForeignKeyDamage(connection, findings));
  return findings;
}

Result<void> CopyDatabase(Database& from, const std::string& to, const std::stop_token& stop) {
  HF_CHECK(!from.is_in_transaction());
  struct stat status {};
  if (::lstat(to.c_str(), &status) == 0) {
    return Fail(ErrorCode::kAlreadyExists, fmt::format("{} already exists", Quote(to)),
                "name a new file");
  }
  SystemRandom random;
  UnfinishedCopy copy(fmt::format("{}.tmp-{}", to, RandomHex(random, 8)));
  { HF_ASSIGN(Fd file, OpenFile(copy.path(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600)); }
  HF_TRY(FillCopy(from, copy.path(), stop));
  HF_TRY(CheckCopy(from.options(), copy.path()));
  return copy.Publish(to);
}

}  // namespace holdfast
