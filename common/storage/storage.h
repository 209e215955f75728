// A flat set of immutable files in a repository's layout, on a disk or elsewhere.
//
// A Storage does not interpret content, and does not retry, cache or limit. Wrappers do that, and
// are Storages themselves. All implementations and wrappers pass tests/contract/storage_contract.h.
//
// This room stores files: open_storage.h opens a directory (posix_storage.h) or a bucket
// (s3_storage.h), wrapped with retries and rate limits. It knows the names and kinds of a
// repository's files, but never their content.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast {

enum class FileKind : std::uint8_t { kConfig, kKey, kPack, kIndex, kSnapshot, kLock };

// The directory of a kind: "keys", "data", "index", "snapshots", "locks"; "config" for the single
// file.
std::string_view FileKindName(FileKind kind);

struct FileName {
  FileKind kind = FileKind::kConfig;
  std::string name;  // 64 lower-case hexadecimal digits; empty for kConfig
  bool operator==(const FileName&) const = default;
};

struct FileInfo {
  FileName name;
  std::uint64_t size = 0;
};

using VisitFile = std::function<Result<void>(const FileInfo&)>;

// The file's path in the storage: "data/3f/3fa2...", "keys/...", "config".
std::string FilePath(const FileName& name);
// Whether `name` is well-formed for its kind.
bool IsValidName(const FileName& name);

enum class PutMode : std::uint8_t { kReplace, kCreate };

// No file of a repository is larger: offsets within packs have 32 bits.
inline constexpr std::uint64_t kWholeFileBytesMax = (1ULL << 32) + (64U << 20);

// `length` 0 with `offset` 0 means the whole file.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// Called before each try of an operation that is allowed only under a condition. Its error ends the
// retries and is returned. Empty: always allowed.
using Permit = std::function<Result<void>()>;

// Temporary files of writers that died. No reader can reach them.
struct Leftovers {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};
struct LeftoverSearch {
  WallTime before;          // only files last written before this
  bool only_count = false;  // remove nothing
};

// Thread-safe.
class Storage {
 public:
  virtual ~Storage() = default;
  // For messages: "file:/srv/backup/main". Never holds a secret.
  virtual std::string location() const = 0;
  // How many concurrent calls make sense.
  virtual unsigned connections_max() const = 0;
  // Prepares the storage for a repository (directories, bucket); harmless if it is prepared.
  virtual Result<void> Create() = 0;
  // On success the whole content is durable; readers never see part of it. kAlreadyExists only with
  // kCreate (config and keys): every other name is a content hash, so writing it again is harmless
  // and a retry is safe. kNoSpace, kDenied, kUnavailable; kNotFound when the storage itself is
  // missing, e.g. not mounted; possibly kCorrupt for a pack whose content does not match its name.
  // REQUIRES: IsValidName(name), here and below.
  virtual Result<void> Put(const FileName& name, ByteView content, PutMode mode) = 0;
  // kNotFound; kCorrupt when the file is shorter than the range, or when a whole file is larger
  // than kWholeFileBytesMax; kUnsupported when the file exists but cannot be read as it is, e.g. in
  // an archive storage class. Callers must not treat that as damage.
  virtual Result<Bytes> Get(const FileName& name, ByteRange range) = 0;
  virtual Result<FileInfo> Stat(const FileName& name) = 0;
  // Calls `visit` once per file, in any order, on the calling thread. Stops at its first error.
  // Skips names that are malformed for the kind; a missing directory is empty.
  virtual Result<void> List(FileKind kind, const VisitFile& visit) = 0;
  // kNotFound if the file does not exist.
  virtual Result<void> Remove(const FileName& name) = 0;
  // Put() with kReplace, and Remove(), while `permit` allows it. The defaults call it once;
  // wrappers that retry override them.
  virtual Result<void> PutIfPermitted(const FileName& name, ByteView content, const Permit& permit);
  virtual Result<void> RemoveIfPermitted(const FileName& name, const Permit& permit);
  // Removes leftovers, each while `permit` allows it, and returns their number. REQUIRES: there are
  // no writers; a slow one would lose its file. The default has no leftovers.
  virtual Result<Leftovers> RemoveLeftovers(const LeftoverSearch& search, const Permit& permit);
};

// How many threads work on a storage at once: one per core, or one per useful connection (at most
// 16), whichever is more.
unsigned ThreadsFor(const Storage& storage);
// The same for threads that each read and hold little. At least two per core, up to 16, since some
// of them wait for the disk.
unsigned ReadThreadsFor(const Storage& storage);

// All files of a kind, in any order. Not for packs, of which there may be millions.
Result<std::vector<FileInfo>> ListFiles(Storage& storage, FileKind kind);

// List() of kConfig, a single file outside the directories; for implementations.
Result<void> ListConfig(Storage& storage, const VisitFile& visit);

}  // namespace holdfast
