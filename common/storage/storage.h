// Where bytes lie: a flat set of immutable files in a repository's layout, on a disk or elsewhere.
//
// A Storage does not interpret content, and does not retry, cache or limit; wrappers do, and are
// Storages themselves. Every implementation and wrapper passes tests/contract/storage_contract.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/rate_limit.h"
#include "common/base/result.h"
#include "common/storage/s3_settings.h"

namespace holdfast {

enum class FileKind : std::uint8_t { kConfig, kKey, kPack, kIndex, kSnapshot, kLock };

// The directory of a kind: "keys", "data", "index", "snapshots", "locks"; "config" for the one
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

// The file's path below the storage's top: "data/3f/3fa2...", "keys/...", "config".
std::string FilePath(const FileName& name);
// Whether `name` is of the form that the kind's files have.
bool IsValidName(const FileName& name);

enum class PutMode : std::uint8_t { kReplace, kCreate };

// No file of a repository is larger: offsets within packs have 32 bits.
inline constexpr std::uint64_t kWholeFileBytesMax = (1ULL << 32) + (64U << 20);

// `length` 0 with `offset` 0 means the whole file.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// Asked before each try of what may be done only as long as something else is so; its error ends
// the trying, and is what the call returns. Empty: it may always.
using Permit = std::function<Result<void>()>;

// What writers have left that died before their file had its name: bytes that nobody can ask for.
struct Leftovers {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};
struct LeftoverSearch {
  WallTime before;          // only what was last written earlier than this
  bool only_count = false;  // nothing goes
};

// Safe to call from several threads.
class Storage {
 public:
  virtual ~Storage() = default;
  // For messages: "file:/srv/backup/main". Never holds a secret.
  virtual std::string location() const = 0;
  // How many calls at once make sense.
  virtual unsigned connections_max() const = 0;
  // Makes the place ready to hold a repository (directories, bucket); harmless when it is.
  virtual Result<void> Create() = 0;
  // On success the whole content is durable; a reader never sees part of it. kAlreadyExists only
  // with kCreate (config and keys): every other name is a content hash, so writing it again is
  // harmless and a retry is safe. kNoSpace, kDenied, kUnavailable; kNotFound when the place itself
  // is gone, e.g. not mounted; kCorrupt may be for a pack whose content is not what its name says.
  // REQUIRES: IsValidName(name), here and below.
  virtual Result<void> Put(const FileName& name, ByteView content, PutMode mode) = 0;
  // kNotFound; kCorrupt when the file is shorter than the range asks for, and for a whole file of
  // more than kWholeFileBytesMax; kUnsupported where the file is there and the place does not give
  // it as it is, which nobody may take for damage: what lies in an archive class, for one.
  virtual Result<Bytes> Get(const FileName& name, ByteRange range) = 0;
  virtual Result<FileInfo> Stat(const FileName& name) = 0;
  // Calls `visit` once per file in any order on the calling thread and stops at its first error.
  // Names that are not of the kind's form are skipped; a missing directory is empty.
  virtual Result<void> List(FileKind kind,
                            const std::function<Result<void>(const FileInfo&)>& visit) = 0;
  // kNotFound when it is not there.
  virtual Result<void> Remove(const FileName& name) = 0;
  // Put() with kReplace, and Remove(), while `permit` says so. As they are here it is asked once;
  // who tries again overrides them.
  virtual Result<void> PutWhile(const FileName& name, ByteView content, const Permit& permit);
  virtual Result<void> RemoveWhile(const FileName& name, const Permit& permit);
  // Removes leftovers, each while `permit` says so; how many there were. REQUIRES: nobody writes,
  // else who does so slowly loses the file under its hands. Here: a place that has none.
  virtual Result<Leftovers> RemoveLeftovers(const LeftoverSearch& search, const Permit& permit);
};

// List() of kConfig, which is one file and lies in no directory: for implementations.
Result<void> ListConfig(Storage& storage,
                        const std::function<Result<void>(const FileInfo&)>& visit);

// Where a storage lies, and what is needed to get there.
struct StorageAddress {
  std::string url;
  s3::Settings s3 = {};  // of an "s3:" URL
  // How long a server that has never answered is tried: a mistake in an endpoint never answers.
  // Unset: as long as one that has.
  std::optional<std::chrono::nanoseconds> first_answer_within = std::nullopt;
  // How fast content may come from there, and go there.
  RateLimits read_limits = {};
  RateLimits write_limits = {};
};

// Told before something is tried again: why, and after which time. From any thread.
using RetryNotice = std::function<void(const Error& error, std::chrono::nanoseconds wait)>;

// Opens the storage that the URL names: "file:/absolute/path" or "s3:https://host/bucket/prefix".
// What may pass is tried again: of S3 for a quarter of an hour, of a directory (ESTALE and its kin
// of network file systems) for some seconds. `stop` ends that waiting with kCancelled, and nothing
// else, so that what has to be cleaned up can still be. Touches nothing yet. kInvalidArgument for a
// URL of no known form, kUnsupported for a known scheme that this build does not have. `notice` may
// be empty.
Result<std::unique_ptr<Storage>> OpenStorage(const StorageAddress& address,
                                             std::stop_token stop = {}, RetryNotice notice = {});

// The same as a seam: tests put storages in memory behind it.
using StorageOpener =
    std::function<Result<std::unique_ptr<Storage>>(const StorageAddress& address)>;
StorageOpener MakeStorageOpener(std::stop_token stop = {}, RetryNotice notice = {});

}  // namespace holdfast
