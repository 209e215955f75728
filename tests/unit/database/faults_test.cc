// Faults of the environment that a database file meets, and the errors that the operator sees.
#include <fcntl.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "common/database/backup.h"
#include "common/database/database.h"
#include "common/database/schema.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/child_process.h"
#include "tests/support/crash_child.h"
#include "tests/support/results.h"
#include "tests/unit/database/ledger.h"

namespace holdfast {
namespace {

#ifdef HOLDFAST_CRASH_POINTS
using testing::ChildDirectory;
using testing::kKilled;
using testing::RunCrashChild;
#endif
using testing::ChildOutcome;
using testing::LedgerIn;
using testing::RunInChild;
using testing::Unwrap;

const std::vector<Migration> kSchema = {
    {"items", "CREATE TABLE item(id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;"}};

Result<Database> Create(const std::string& directory) {
  HF_ASSIGN(Database writer, Database::Open(LedgerIn(directory), DatabaseMode::kCreate));
  HF_TRY(Migrate(writer, kSchema));
  return writer;
}

Result<void> Add(Database& writer, int first, int count) {
  HF_ASSIGN(Transaction transaction, Transaction::Begin(writer));
  for (int i = 0; i < count; ++i) {
    HF_TRY(writer.Run("INSERT INTO item VALUES (?, ?)", first + i, Bytes(1000, 7)));
  }
  return transaction.Commit();
}

int CountOf(const std::string& directory) {
  Database reader = Unwrap(Database::Open(LedgerIn(directory), DatabaseMode::kRead));
  REQUIRE(Unwrap(FindDamage(reader, CheckDepth::kFull)).empty());
  return Unwrap(reader.Value<int>("SELECT count(*) FROM item"));
}

// Adds rows until it fails, and checks that exactly the committed rows are stored.
std::string FillUp(const std::string& directory) {
  Result<Database> writer = Create(directory);
  if (!writer) return writer.error().Text();
  int committed = 0;
  for (;; committed += 10) {
    Result<void> added = Add(*writer, committed, 10);
    if (added) continue;
    Result<int> there = writer->Value<int>("SELECT count(*) FROM item");
    if (!there || *there != committed) return "something was lost";
    return std::string(ErrorCodeName(added.error().code())) + ": " + added.error().Text();
  }
}

TEST_CASE("database: a full disk is named, and committed rows stay") {
  if (::geteuid() != 0) return;  // the file size limit below applies to every user
  TempDir directory = Unwrap(TempDir::Create("database"));
  ChildOutcome outcome = RunInChild([&]() -> std::string {
    const char* where = directory.path().c_str();
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", where, "tmpfs", 0, "size=512k") != 0) {
      return "no name space";
    }
    return FillUp(directory.path());
  });
  if (outcome.said == "no name space") {
    WARN("no mount namespace here");
    return;
  }
  REQUIRE_THAT(outcome.said, Catch::StartsWith("no_space: ledger \""));
  REQUIRE_THAT(outcome.said, Catch::Contains("no space left to write to it (hint: free space"));
}

TEST_CASE("database: a file at its size limit is named, and committed rows stay") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  ChildOutcome outcome = RunInChild([&]() -> std::string {
    rlimit limit{200'000, 200'000};
    ::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return "no limit";
    return FillUp(directory.path());
  });
  REQUIRE_THAT(outcome.said, Catch::StartsWith("no_space: ledger \""));
  REQUIRE(CountOf(directory.path()) > 0);
}

TEST_CASE("database: another writing program is waited for and named") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  Database writer = Unwrap(Create(directory.path()));
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(LedgerIn(directory.path()).path.c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);

  REQUIRE_FAILS(Add(writer, 1, 1), ErrorCode::kBusy, "is locked by ");
  REQUIRE_FAILS(Add(writer, 1, 1), ErrorCode::kBusy, "fuser");

  REQUIRE(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_close(other) == SQLITE_OK);
  REQUIRE_OK(Add(writer, 1, 1));
}

TEST_CASE("database: a damaged page is found and named, and never repaired silently") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  std::string path = LedgerIn(directory.path()).path;
  {
    Database writer = Unwrap(Create(directory.path()));
    REQUIRE_OK(Add(writer, 1, 100));
  }
  {
    Fd file = Unwrap(OpenFile(path, O_RDWR));
    Bytes noise(4096, 0xee);
    for (off_t page = 2; page < 12; ++page) {
      REQUIRE(::pwrite(file.get(), noise.data(), noise.size(), page * 4096) == 4096);
    }
  }
  Database writer = Unwrap(Database::Open(LedgerIn(directory.path()), DatabaseMode::kWrite));

  REQUIRE_FAILS(writer.Value<int>("SELECT sum(length(body)) FROM item"), ErrorCode::kCorrupt,
                "is damaged: database disk image is malformed (hint: run the doctor)");
  REQUIRE_FALSE(Unwrap(FindDamage(writer, CheckDepth::kQuick)).empty());
  REQUIRE(Unwrap(FindDamage(writer, CheckDepth::kFull)).size() <= 20);
  REQUIRE_FAILS(CopyDatabase(writer, path + ".copy"), ErrorCode::kCorrupt, "run the doctor");
  REQUIRE(::access((path + ".copy").c_str(), F_OK) != 0);
}

TEST_CASE("database: after a kill in a transaction it is as before") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  { REQUIRE_OK(Create(directory.path())); }
  ChildOutcome outcome = RunInChild([&]() -> std::string {
    Result<Database> writer = Create(directory.path());
    if (!writer || !Add(*writer, 1, 10)) return "failed";
    Result<Transaction> transaction = Transaction::Begin(*writer);
    // More than fits into the cache, so that some of it has reached the file.
    for (int i = 100; i < 6'000; ++i) {
      if (!writer->Run("INSERT INTO item VALUES (?, ?)", i, Bytes(1000, 7))) return "failed";
    }
    (void)::raise(SIGKILL);
    return "survived";
  });
  REQUIRE(outcome.was_killed());

  Database writer = Unwrap(Create(directory.path()));
  REQUIRE(Unwrap(writer.Value<int>("SELECT count(*) FROM item")) == 10);
  REQUIRE(Unwrap(FindDamage(writer, CheckDepth::kFull)).empty());
}

#ifdef HOLDFAST_CRASH_POINTS
TEST_CASE("database child: commits a row", "[.]") {
  Database writer = Unwrap(Database::Open(LedgerIn(ChildDirectory()), DatabaseMode::kWrite));
  REQUIRE_OK(Add(writer, 1, 2));
}

TEST_CASE("database: after a kill at a commit the promised rows are stored, and nothing else") {
  auto rows_after = [](const char* point) {
    TempDir directory = Unwrap(TempDir::Create("database"));
    { REQUIRE_OK(Create(directory.path())); }
    REQUIRE(RunCrashChild("database child: commits a row", point, directory.path()) == kKilled);
    Database writer = Unwrap(Create(directory.path()));
    CHECK(Unwrap(FindDamage(writer, CheckDepth::kFull)).empty());
    return Unwrap(writer.Value<int>("SELECT count(*) FROM item"));
  };
  CHECK(rows_after("database.before_commit") == 0);
  CHECK(rows_after("database.after_commit") == 2);
}
#endif

// The error that an unprivileged user gets when opening the file for writing.
std::string ErrorOfUnprivilegedWriter(const TempDir& directory) {
  const ChildOutcome outcome = RunInChild([&]() -> std::string {
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) return "still root";
    Result<Database> writer = Database::Open(LedgerIn(directory.path()), DatabaseMode::kWrite);
    if (writer) return "opened";
    return std::string(ErrorCodeName(writer.error().code())) + ": " + writer.error().Text();
  });
  return outcome.said;
}

TEST_CASE("database: a read-only file is named") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  { REQUIRE_OK(Create(directory.path())); }
  std::string path = LedgerIn(directory.path()).path;
  REQUIRE(::chmod(path.c_str(), 0444) == 0);
  REQUIRE(::chmod((path + ".lock").c_str(), 0666) == 0);
  REQUIRE(::chmod(directory.path().c_str(), 0777) == 0);
  const std::string error = ErrorOfUnprivilegedWriter(directory);
  REQUIRE_THAT(error, Catch::StartsWith("denied: ledger \"" + path + "\" cannot be written:"));
  REQUIRE_THAT(error, Catch::Contains("must be writable by this user"));
}

TEST_CASE("database: a read-only directory is named") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  { REQUIRE_OK(Create(directory.path())); }
  REQUIRE(::chmod(directory.path().c_str(), 0555) == 0);
  const std::string error = ErrorOfUnprivilegedWriter(directory);
  REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
  REQUIRE_THAT(error, Catch::StartsWith("denied: open ledger \""));
  REQUIRE_THAT(error, Catch::Contains("hint: "));
}

TEST_CASE("database: a foreign file or database is refused") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  DatabaseOptions options = LedgerIn(directory.path());
  REQUIRE_FAILS(Database::Open(options, DatabaseMode::kWrite), ErrorCode::kNotFound,
                "open ledger \"" + options.path + "\"");
  REQUIRE_FAILS(Database::Open(options, DatabaseMode::kRead), ErrorCode::kNotFound, "some.db");

  REQUIRE_OK(WriteFileAtomic(options.path, Bytes(5000, 'x'), 0600));
  for (DatabaseMode mode : {DatabaseMode::kRead, DatabaseMode::kWrite, DatabaseMode::kCreate}) {
    REQUIRE_FAILS(Database::Open(options, mode), ErrorCode::kCorrupt,
                  "is not a database (hint: run the doctor)");
  }
  REQUIRE_OK(WriteFileAtomic(options.path, Bytes(), 0600));
  REQUIRE_FAILS(Database::Open(options, DatabaseMode::kWrite), ErrorCode::kCorrupt, "is empty");

  { REQUIRE_OK(Create(directory.path())); }
  options.application_id = 0x48460002;
  for (DatabaseMode mode : {DatabaseMode::kRead, DatabaseMode::kWrite, DatabaseMode::kCreate}) {
    REQUIRE_FAILS(Database::Open(options, mode), ErrorCode::kInvalidArgument, "but not a ledger");
  }
  options.path = directory.path();
  REQUIRE_FAILS(Database::Open(options, DatabaseMode::kCreate), ErrorCode::kInvalidArgument,
                "is not a regular file");
}

// A SQLite VFS that passes everything on except the call that must fail.
struct Faults {
  int calls_left = -1;  // until a write, sync or truncate fails; -1: none fails
  int code = SQLITE_IOERR_WRITE;
  bool only_syncs = false;
  bool Hits(bool sync) {
    if (only_syncs && !sync) return false;
    if (calls_left < 0 || calls_left-- > 0) return false;
    calls_left = 0;  // a device that has failed once keeps failing
    was_sync = sync;
    has_hit = true;
    return true;
  }
  bool was_sync = false;
  bool has_hit = false;
  int syncs = 0;
};
Faults faults;

struct FaultyFile {
  sqlite3_file base;
};
sqlite3_vfs* real_vfs = nullptr;
// SQLite's own file object follows ours in the same allocation.
sqlite3_file* RealOf(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(FaultyFile));
}
#define HF_PASS(method, arguments, ...) \
  [] arguments { return RealOf(file)->pMethods->method(RealOf(file) __VA_OPT__(, ) __VA_ARGS__); }

const sqlite3_io_methods kFaultyMethods = {
    .iVersion = 2,
    .xClose = HF_PASS(xClose, (sqlite3_file * file)),
    .xRead =
        HF_PASS(xRead, (sqlite3_file * file, void* to, int size, sqlite3_int64 at), to, size, at),
    .xWrite =
        [](sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
          if (faults.Hits(false)) return faults.code;
          return RealOf(file)->pMethods->xWrite(RealOf(file), from, size, at);
        },
    .xTruncate =
        [](sqlite3_file* file, sqlite3_int64 size) {
          if (faults.Hits(false)) return faults.code;
          return RealOf(file)->pMethods->xTruncate(RealOf(file), size);
        },
    .xSync =
        [](sqlite3_file* file, int flags) {
          ++faults.syncs;
          if (faults.Hits(true)) return SQLITE_IOERR_FSYNC;
          return RealOf(file)->pMethods->xSync(RealOf(file), flags);
        },
    .xFileSize = HF_PASS(xFileSize, (sqlite3_file * file, sqlite3_int64* size), size),
    .xLock = HF_PASS(xLock, (sqlite3_file * file, int level), level),
    .xUnlock = HF_PASS(xUnlock, (sqlite3_file * file, int level), level),
    .xCheckReservedLock = HF_PASS(xCheckReservedLock, (sqlite3_file * file, int* out), out),
    .xFileControl =
        HF_PASS(xFileControl, (sqlite3_file * file, int what, void* value), what, value),
    .xSectorSize = HF_PASS(xSectorSize, (sqlite3_file * file)),
    .xDeviceCharacteristics = HF_PASS(xDeviceCharacteristics, (sqlite3_file * file)),
    .xShmMap = HF_PASS(
        xShmMap, (sqlite3_file * file, int page, int size, int extend, void volatile** memory),
        page, size, extend, memory),
    .xShmLock =
        HF_PASS(xShmLock, (sqlite3_file * file, int at, int count, int flags), at, count, flags),
    .xShmBarrier = HF_PASS(xShmBarrier, (sqlite3_file * file)),
    .xShmUnmap = HF_PASS(xShmUnmap, (sqlite3_file * file, int remove), remove),
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};
#undef HF_PASS

// The default VFS of this process while it lives.
class FaultyFiles {
 public:
  FaultyFiles() {
    real_vfs = sqlite3_vfs_find(nullptr);
    vfs_ = *real_vfs;
    vfs_.zName = "faulty";
    vfs_.szOsFile += static_cast<int>(sizeof(FaultyFile));
    vfs_.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
      int code = real_vfs->xOpen(real_vfs, name, RealOf(file), flags, out);
      file->pMethods = code == SQLITE_OK ? &kFaultyMethods : nullptr;
      return code;
    };
    REQUIRE(sqlite3_vfs_register(&vfs_, 1) == SQLITE_OK);
    faults = Faults();
  }
  FaultyFiles(const FaultyFiles&) = delete;
  FaultyFiles& operator=(const FaultyFiles&) = delete;
  ~FaultyFiles() {
    (void)sqlite3_vfs_unregister(&vfs_);
    (void)sqlite3_vfs_register(real_vfs, 1);
  }

 private:
  sqlite3_vfs vfs_{};
};

TEST_CASE("database: every commit is synced before it returns") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  FaultyFiles files;
  Database writer = Unwrap(Create(directory.path()));
  for (int i = 0; i < 3; ++i) {
    int before = faults.syncs;
    REQUIRE_OK(Add(writer, 10 * i, 1));
    REQUIRE(faults.syncs > before);
  }
}

TEST_CASE("database: after a failed sync nothing more is written") {
  TempDir directory = Unwrap(TempDir::Create("database"));
  FaultyFiles files;
  {
    Database writer = Unwrap(Create(directory.path()));
    REQUIRE_OK(Add(writer, 0, 10));
    faults.only_syncs = true;
    faults.calls_left = 0;
    REQUIRE_FALSE(Add(writer, 10, 10));
    REQUIRE(writer.is_broken());
    faults.calls_left = -1;  // the disk works again, but its content is unknown

    REQUIRE_FAILS(Add(writer, 20, 10), ErrorCode::kInternal,
                  "the last change may or may not be recorded");
    REQUIRE_FAILS(writer.Run("DELETE FROM item"), ErrorCode::kInternal,
                  "check the kernel's log for disk errors, and restart the program");
    REQUIRE(Unwrap(writer.Value<int>("SELECT count(*) FROM item")) == 10);
  }
  int there = CountOf(directory.path());
  REQUIRE((there == 10 || there == 20));
}

TEST_CASE("database: whichever write fails, a transaction is stored completely or not at all") {
  for (int code : {SQLITE_IOERR_WRITE, SQLITE_FULL}) {
    bool was_reached = true;
    for (int call = 0; was_reached; ++call) {
      INFO("call " << call << " fails with " << code);
      TempDir directory = Unwrap(TempDir::Create("database"));
      FaultyFiles files;
      bool is_done = false;
      {
        Database writer = Unwrap(Create(directory.path()));
        REQUIRE_OK(Add(writer, 0, 10));
        faults.code = code;
        faults.calls_left = call;
        is_done = Add(writer, 10, 10).has_value();
        was_reached = faults.has_hit;
        faults.calls_left = -1;
      }
      int there = CountOf(directory.path());
      if (is_done) REQUIRE(there == 20);
      if (!is_done && code == SQLITE_FULL && !faults.was_sync) REQUIRE(there == 10);
      REQUIRE((there == 10 || there == 20));
      REQUIRE(call < 200);
    }
  }
}

}  // namespace
}  // namespace holdfast
