#include "common/repository/store/index_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/repository/store/object_pool.h"

namespace holdfast::repository {
namespace {

constexpr std::string_view kMagic = "holdfast index 1";
constexpr const char* kShown = "the index cache";
constexpr std::string_view kKeyLabel = "holdfast index cache v1";
constexpr std::string_view kCacheFilePrefix = "index-";
// Detects files from machines with another byte order.
constexpr std::uint64_t kByteOrder = 0x0102030405060708;
constexpr std::chrono::hours kUnusedMax{24 * 30};
// A smaller index loads fast enough without a cache.
constexpr std::size_t kBlobsMin = 100'000;
// Unless it has many files, each of which costs a round trip to the storage.
constexpr std::size_t kFilesMin = 32;
constexpr std::size_t kWorthwhilePart = 8;

using Nonce = std::array<std::uint8_t, 16>;

// Precedes the payload of each piece.
struct PieceMark {
  Nonce nonce;
  std::uint64_t number;
};
static_assert(sizeof(PieceMark) == 24 && std::is_trivially_copyable_v<PieceMark>);

constexpr std::size_t kEntriesPerPiece = 4 * BlobTable::kBlockEntries;
constexpr std::size_t kIdsPerPiece = kEntriesPerPiece * sizeof(BlobTable::Entry) / sizeof(Id);
constexpr std::size_t kPiecePlainMax =
    sizeof(PieceMark) + kEntriesPerPiece * sizeof(BlobTable::Entry);
static_assert(sizeof(Id) == 32 && std::is_trivially_copyable_v<Id>);
static_assert(std::is_trivially_copyable_v<BlobTable::Entry>);

// The id in a config is always valid. Anything else becomes zero.
Id IdOfRepository(const std::string& text) { return ParseId(text).value_or(Id{}); }

// A part of the file: `count` items of the same size, up to `per_piece` of them in a piece.
struct Section {
  std::uint64_t count;
  std::size_t item_bytes;
  std::size_t per_piece;

  std::uint64_t pieces() const { return (count + per_piece - 1) / per_piece; }
  std::uint64_t bytes() const {
    return count * item_bytes + pieces() * (sizeof(PieceMark) + crypto::kSealOverhead);
  }
  std::size_t ItemsIn(std::uint64_t piece) const {
    return static_cast<std::size_t>(std::min<std::uint64_t>(per_piece, count - piece * per_piece));
  }
};

}  // namespace

struct IndexCache::Head {
  std::uint64_t byte_order = kByteOrder;
  Id repository;
  Nonce nonce{};
  std::uint64_t files = 0;
  std::uint64_t packs = 0;
  std::uint64_t blobs = 0;

  Section file_section() const { return {files, sizeof(Id), kIdsPerPiece}; }
  Section pack_section() const { return {packs, sizeof(Id), kIdsPerPiece}; }
  Section blob_section() const { return {blobs, sizeof(BlobTable::Entry), kEntriesPerPiece}; }
  static constexpr std::size_t SealedBytes() { return sizeof(Head) + crypto::kSealOverhead; }
  std::uint64_t FileBytes() const {
    return kMagic.size() + SealedBytes() + file_section().bytes() + pack_section().bytes() +
           blob_section().bytes();
  }
};

// Reads and opens a cache's pieces, those of the entries on several threads.
class IndexCache::Reader {
 public:
  Reader(int fd, const crypto::SealKey& key, Random& random)
      : fd_(fd), tools_([&key, &random] { return std::make_unique<Tools>(key, random); }) {}

  Result<Head> ReadHead() {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) return Fail(ErrnoError(errno, "stat the index cache"));
    Bytes begin(kMagic.size() + Head::SealedBytes());
    HF_TRY(ReadAllAt(fd_, begin, 0, kShown));
    if (AsText(begin).substr(0, kMagic.size()) != kMagic) {
      return Fail(ErrorCode::kUnsupported, "the index cache has another format");
    }
    Bytes plaintext(sizeof(Head));
    HF_TRY(tools_.Borrow()->sealer.OpenInto(ByteView(begin).subspan(kMagic.size()), plaintext));
    std::memcpy(&head_, plaintext.data(), sizeof head_);
    constexpr std::uint64_t kCountMax = std::numeric_limits<std::uint32_t>::max();
    const bool is_good = head_.byte_order == kByteOrder && head_.files <= kCountMax &&
                         head_.packs < BlobTable::kTreeBit && head_.blobs < kCountMax &&
                         std::cmp_equal(status.st_size, head_.FileBytes());
    if (!is_good) return Fail(ErrorCode::kCorrupt, "the index cache has an invalid header");
    return head_;
  }

  // Calls `visit` for each id of the section that begins at first_piece_ and offset_, in order.
  // Then advances these to the next section.
  template <typename Visit>
  Result<void> ReadIds(const Section& section, const Visit& visit) {
    for (std::uint64_t piece = 0; piece < section.pieces(); ++piece) {
      HF_TRY(ReadPiece(section, piece, [&](ByteView payload) {
        for (; !payload.empty(); payload = payload.subspan(sizeof(Id))) {
          Id id;
          std::memcpy(&id, payload.data(), sizeof id);
          visit(id);
        }
      }));
    }
    Pass(section);
    return {};
  }

  Result<void> ReadEntries(BlobTable& table) {
    const Section section = head_.blob_section();
    return ForEachInParallel(
        static_cast<std::size_t>(section.pieces()), CoreCount(),
        [&](std::size_t piece) -> Result<void> {
          return ReadPiece(section, piece, [&](ByteView payload) {
            constexpr std::size_t kBlocks = kEntriesPerPiece / BlobTable::kBlockEntries;
            for (std::size_t block = piece * kBlocks; !payload.empty(); ++block) {
              const std::span<BlobTable::Entry> entries = table.ImportedBlock(block);
              std::memcpy(entries.data(), payload.data(), entries.size_bytes());
              payload = payload.subspan(entries.size_bytes());
            }
          });
        });
  }

 private:
  struct Tools {
    Tools(const crypto::SealKey& key, Random& random) : sealer(key, random) {}
    crypto::Sealer sealer;
    Bytes sealed = Bytes(crypto::kSealOverhead + kPiecePlainMax);
    Bytes plaintext = Bytes(kPiecePlainMax);
  };

  template <typename Take>
  Result<void> ReadPiece(const Section& section, std::uint64_t piece, const Take& take) {
    auto tools = tools_.Borrow();
    const std::size_t plain = sizeof(PieceMark) + section.ItemsIn(piece) * section.item_bytes;
    const std::span<std::uint8_t> sealed(tools->sealed.data(), crypto::kSealOverhead + plain);
    const std::span<std::uint8_t> plaintext(tools->plaintext.data(), plain);
    const std::uint64_t whole =
        sizeof(PieceMark) + crypto::kSealOverhead + section.per_piece * section.item_bytes;
    HF_TRY(ReadAllAt(fd_, sealed, offset_ + piece * whole, kShown));
    HF_TRY(tools->sealer.OpenInto(sealed, plaintext));
    PieceMark mark;
    std::memcpy(&mark, plaintext.data(), sizeof mark);
    if (mark.nonce != head_.nonce || mark.number != first_piece_ + piece) {
      return Fail(ErrorCode::kCorrupt, "the index cache mixes several versions");
    }
    take(ByteView(plaintext).subspan(sizeof mark));
    return {};
  }

  void Pass(const Section& section) {
    first_piece_ += section.pieces();
    offset_ += section.bytes();
  }

  const int fd_;
  ObjectPool<Tools> tools_;
  Head head_;
  std::uint64_t first_piece_ = 0;  // of the current section
  std::uint64_t offset_ = kMagic.size() + Head::SealedBytes();
};

class IndexCache::Writer {
 public:
  Writer(int fd, const Head& head, const crypto::SealKey& key, Random& random, std::string shown)
      : fd_(fd), head_(head), sealer_(key, random), shown_(std::move(shown)) {}

  Result<void> WriteHead() {
    HF_TRY(WriteAll(fd_, AsBytes(kMagic), shown_));
    Bytes plaintext(sizeof head_);
    std::memcpy(plaintext.data(), &head_, sizeof head_);
    return WriteAll(fd_, sealer_.Seal(plaintext), shown_);
  }

  template <typename Ids>
  Result<void> WriteIds(const Ids& ids) {
    std::vector<Id> some;
    for (const Id& id : ids) {
      some.push_back(id);
      if (some.size() < kIdsPerPiece) continue;
      HF_TRY(WritePiece({some.front().bytes.data(), some.size() * sizeof(Id)}));
      some.clear();
    }
    if (some.empty()) return {};
    return WritePiece({some.front().bytes.data(), some.size() * sizeof(Id)});
  }

  Result<void> WriteEntries(const BlobTable& table) {
    return table.ForEachEntry(kEntriesPerPiece, [&](std::span<const BlobTable::Entry> entries) {
      return WritePiece(
          {reinterpret_cast<const std::uint8_t*>(entries.data()), entries.size_bytes()});
    });
  }

 private:
  Result<void> WritePiece(ByteView payload) {
    const PieceMark mark{head_.nonce, number_++};
    plaintext_.resize(sizeof mark + payload.size());
    std::memcpy(plaintext_.data(), &mark, sizeof mark);
    std::ranges::copy(payload, plaintext_.begin() + sizeof mark);
    sealed_.resize(crypto::kSealOverhead + plaintext_.size());
    sealer_.SealInto(plaintext_, sealed_);
    return WriteAll(fd_, sealed_, shown_);
  }

  const int fd_;
  const Head head_;
  crypto::Sealer sealer_;
  const std::string shown_;
  std::uint64_t number_ = 0;
  Bytes plaintext_;
  Bytes sealed_;
};

IndexCache::IndexCache(std::string directory, const std::string& repository,
                       const crypto::SealKey& master, Random& random)
    : directory_(std::move(directory)),
      name_(std::string(kCacheFilePrefix) + IdOfRepository(repository).Hex()),
      repository_(IdOfRepository(repository)),
      key_(master.Derive(kKeyLabel)),
      random_(random) {}

std::optional<IndexCache::Loaded> IndexCache::Load(const std::set<Id>& listed) {
  covered_ = {};
  Result<std::optional<Loaded>> loaded = TryLoad(listed);
  // Whatever is wrong with the cache, the index is also in the repository.
  if (!loaded || !*loaded) return std::nullopt;
  covered_ = {(*loaded)->files.size(), (*loaded)->table.size()};
  return *std::move(loaded);
}

Result<std::optional<IndexCache::Loaded>> IndexCache::TryLoad(const std::set<Id>& listed) {
  const std::string path = directory_ + "/" + name_;
  // Does not block if the path is a pipe.
  HF_ASSIGN(const Fd file, OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  Reader reader(file.get(), key_, random_);
  HF_ASSIGN(const Head head, reader.ReadHead());
  if (head.repository != repository_) return std::nullopt;
  Loaded loaded;
  HF_TRY(reader.ReadIds(head.file_section(), [&](const Id& id) { loaded.files.insert(id); }));
  if (!std::ranges::includes(listed, loaded.files)) return std::nullopt;
  std::deque<Id> packs;
  HF_TRY(reader.ReadIds(head.pack_section(), [&](const Id& id) { packs.push_back(id); }));
  loaded.table.BeginImport(std::move(packs), static_cast<std::size_t>(head.blobs));
  HF_TRY(reader.ReadEntries(loaded.table));
  if (!loaded.table.EndImport()) return std::nullopt;
  (void)::futimens(file.get(), nullptr);  // marks it as used, if we have permission
  return loaded;
}

bool IndexCache::Pays(std::size_t files, std::size_t blobs) const {
  const std::size_t new_files = files - std::min(files, covered_.files);
  const std::size_t new_blobs = blobs - std::min(blobs, covered_.blobs);
  if (new_files >= std::max(kFilesMin, covered_.files / kWorthwhilePart)) return true;
  return new_blobs >= std::max(kBlobsMin, covered_.blobs / kWorthwhilePart);
}

namespace {

// Opens the file that will be renamed, locked. Not open if another process is writing it.
Result<Fd> OpenForWriting(int directory, const std::string& name, const std::string& shown) {
  HF_ASSIGN(Fd file,
            OpenFileAt(directory, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600, shown));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return Fd();
  // The previous holder of the lock may have renamed the file: check that it still has this name.
  struct stat opened {};
  struct stat named {};
  const bool is_same = ::fstat(file.get(), &opened) == 0 &&
                       ::fstatat(directory, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                       opened.st_dev == named.st_dev && opened.st_ino == named.st_ino &&
                       S_ISREG(opened.st_mode);
  if (!is_same) return Fd();
  if (::ftruncate(file.get(), 0) != 0) return Fail(ErrnoError(errno, "empty " + Quote(shown)));
  return file;
}

Result<void> CheckSpace(int directory, std::uint64_t bytes, const std::string& shown) {
  struct statvfs space {};
  if (::fstatvfs(directory, &space) != 0) {
    return Fail(ErrnoError(errno, "get the free space of " + Quote(shown)));
  }
  const std::uint64_t left = std::uint64_t{space.f_bavail} * space.f_frsize;
  if (bytes <= left / 2) return {};
  return Fail(ErrorCode::kNoSpace, fmt::format("it needs {}, which is too much with {} free",
                                               FormatBytes(bytes), FormatBytes(left)));
}

void RemoveUnused(int directory, WallTime now) {
  const Result<std::vector<std::string>> names = NamesIn(directory, "the cache");
  if (!names) return;
  for (const std::string& name : *names) {
    struct stat status {};
    if (!name.starts_with(kCacheFilePrefix) ||
        ::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    const std::chrono::seconds unused =
        std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()) -
        std::chrono::seconds(status.st_mtim.tv_sec);
    if (unused > kUnusedMax) (void)::unlinkat(directory, name.c_str(), 0);
  }
}

}  // namespace

// Does not sync, so that the run need not wait for the disk. A cache that a power loss tears is
// detected as damaged and written again.
Result<bool> IndexCache::Save(const BlobTable& table, const std::set<Id>& files, WallTime now) {
  HF_ASSIGN(const Fd directory, OpenOwnDirectory(directory_));
  if (!directory.is_open()) return false;
  RemoveUnused(directory.get(), now);
  Head head{.repository = repository_,
            .files = files.size(),
            .packs = table.packs().size(),
            .blobs = table.size()};
  random_.Fill(head.nonce);
  HF_TRY(CheckSpace(directory.get(), head.FileBytes(), directory_));
  const std::string shown = directory_ + "/" + name_;
  const std::string fresh = name_ + ".new";
  HF_ASSIGN(const Fd file, OpenForWriting(directory.get(), fresh, shown + ".new"));
  if (!file.is_open()) return false;
  Writer writer(file.get(), head, key_, random_, shown);
  const auto write = [&]() -> Result<void> {
    HF_TRY(writer.WriteHead());
    HF_TRY(writer.WriteIds(files));
    HF_TRY(writer.WriteIds(table.packs()));
    HF_TRY(writer.WriteEntries(table));
    if (::renameat(directory.get(), fresh.c_str(), directory.get(), name_.c_str()) != 0) {
      return Fail(ErrnoError(errno, "rename to " + Quote(shown)));
    }
    return {};
  };
  if (Result<void> written = write(); !written) {
    (void)::unlinkat(directory.get(), fresh.c_str(), 0);
    return Fail(std::move(written).error());
  }
  covered_ = {files.size(), table.size()};
  return true;
}

}  // namespace holdfast::repository
