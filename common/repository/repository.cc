#include "common/repository/repository.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/base/raw_buffer.h"
#include "common/crypto/sha256.h"
#include "common/repository/blob_index.h"
#include "common/repository/compressor.h"
#include "common/repository/index_cache.h"
#include "common/repository/index_file.h"
#include "common/repository/key_file.h"
#include "common/repository/object_pool.h"
#include "common/repository/polynomial.h"
#include "common/repository/records.h"

namespace holdfast::repository {
namespace {

constexpr unsigned kConnectionsUsed = 16;
// With few cores, ReadThreadsFor() takes two threads per core, up to this many.
constexpr unsigned kWaitingThreadsMax = 16;

// First byte of a small sealed file's plaintext if a zstd frame follows; otherwise it is JSON.
constexpr std::uint8_t kCompressedFile = 2;
constexpr std::size_t kSealedPlainMax = 512U << 20;
// Index files are usually near 8 MiB; far larger ones are rejected.
constexpr std::uint64_t kIndexBytesMax = 256U << 20;
constexpr std::uint64_t kSmallIndexBytesMax = 256U << 10;
constexpr unsigned kLargeIndexesAtOnce = 4;
// Size of the cache of LoadSealedCached().
constexpr std::size_t kRecordCacheBytesMax = 4U << 20;
constexpr std::string_view kChunkerLabel = "holdfast content chunker v1";

FileName NameOf(FileKind kind, const Id& id) { return {kind, id.Hex()}; }

std::unexpected<Error> WrongHash() {
  return Fail(ErrorCode::kCorrupt, "its content does not match its id");
}

class OpenedRepository final : public Repository {
 public:
  OpenedRepository(std::unique_ptr<Storage> storage, const OpenedKey& key, Config config,
                   const OpenOptions& options, Random& random, const Clock& clock)
      : storage_(std::move(storage)),
        key_(key.file),
        master_(key.master),
        config_(std::move(config)),
        options_(options),
        random_(random),
        clock_(clock) {
    const Bytes derived =
        crypto::HkdfSha256(master_.encrypt, kChunkerLabel, sizeof(decltype(chunker_key_)));
    std::copy(derived.begin(), derived.end(), chunker_key_.begin());
    if (!options_.index_cache.empty()) {
      index_cache_.emplace(options_.index_cache, config_.id, master_, random_);
    }
  }
  ~OpenedRepository() override { crypto::Wipe(chunker_key_); }

  Storage& storage() override { return *storage_; }
  const Config& config() const override { return config_; }
  const OpenOptions& options() const override { return options_; }
  Random& random() override { return random_; }
  const Clock& clock() const override { return clock_; }
  const std::array<std::uint8_t, 32>& chunker_key() const override { return chunker_key_; }
  const Id& key() const override { return key_; }
  Result<Bytes> MakeKey(const Secret& password, const InitOptions& options) override {
    return MakeKeyFile(master_, password, options, random_, clock_);
  }
  Result<bool> IsOpenedBy(ByteView key_file, const Secret& password) override;
  crypto::Sealer NewSealer() override { return crypto::Sealer(master_, random_); }
  crypto::Sealer NewLocalSealer(std::string_view label) override {
    return crypto::Sealer(master_.Derive(label), random_);
  }

  Result<void> LoadIndex(std::stop_token stop) override { return LoadIndexFrom(false, stop); }
  Result<void> LoadIndexWithCache(std::stop_token stop) override {
    return LoadIndexFrom(true, stop);
  }
  Result<void> SaveIndexCache() override;
  std::optional<BlobLocation> Find(BlobType type, const Id& id) const override;
  std::vector<BlobLocation> FindAll(BlobType type, const Id& id) const override;
  std::size_t BlobCount() const override;
  std::size_t IndexMemory() const override;
  std::optional<std::size_t> BlobNumber(BlobType type, const Id& id) const override;
  Result<void> ForEachBlob(
      const std::function<Result<void>(BlobType, const Id&, const BlobLocation&)>& visit)
      const override;
  Result<void> ForEachNumberedBlob(
      const std::function<Result<void>(std::size_t, BlobType, const Id&, const BlobLocation&)>&
          visit) const override;
  Result<Bytes> LoadBlob(BlobType type, const Id& id) override;
  Result<void> StreamBlob(BlobType type, const Id& id,
                          const std::function<Result<void>(ByteView)>& visit) override;
  Result<Bytes> OpenBlob(BlobType type, const Id& id, const BlobLocation& location,
                         ByteView sealed) override;
  Result<Id> SaveIndex(std::span<const PackContents> packs, const Permit& permit) override;

  Result<Bytes> LoadSealed(FileKind kind, const Id& id) override;
  Result<Bytes> LoadSealedCached(FileKind kind, const Id& id) override;
  Result<Id> SaveSealed(FileKind kind, ByteView json) override;
  Result<Bytes> SealFile(FileKind kind, ByteView json) override;
  Result<Id> StoreSealed(FileKind kind, ByteView sealed, const Permit& permit) override;
  Result<Bytes> OpenSealed(ByteView sealed) override { return Unseal(sealed); }

 private:
  struct Tools {
    explicit Tools(crypto::Sealer own_sealer) : sealer(std::move(own_sealer)) {}
    crypto::Sealer sealer;
    Compressor compressor{Compression::kAuto};
    Decompressor decompressor;
    RawBuffer frame;  // scratch
  };

  struct ListedIndexFile {
    Id id;
    std::uint64_t bytes = 0;
  };
  Result<std::vector<ListedIndexFile>> ListIndexFiles();
  Result<void> LoadIndexFrom(bool uses_cache, const std::stop_token& stop);
  Result<void> TryLoadIndex(bool uses_cache, const std::stop_token& stop);
  void TakeCachedIndex(const std::set<Id>& listed);
  Result<void> LoadIndexFiles(
      std::vector<ListedIndexFile> files, const std::stop_token& stop,
      const std::function<void(const Id&, std::span<const PackContents>)>& take);
  Result<Bytes> Unseal(ByteView sealed);
  Result<std::vector<BlobLocation>> PlacesOf(BlobType type, const Id& id);
  // Calls `load` with the sealed bytes of each copy of the blob until one succeeds.
  template <typename T, typename Load>
  Result<T> LoadFromAny(BlobType type, const Id& id, const Load& load);
  Result<void> OpenInPieces(const BlobLocation& location, ByteView sealed,
                            const std::function<Result<void>(ByteView)>& visit);

  const std::unique_ptr<Storage> storage_;
  const Id key_;
  const crypto::SealKey master_;
  const Config config_;
  const OpenOptions options_;
  Random& random_;
  const Clock& clock_;
  std::array<std::uint8_t, 32> chunker_key_{};
  ObjectPool<Tools> tools_{[this] { return std::make_unique<Tools>(NewSealer()); }};

  std::mutex records_mutex_;
  std::map<Id, Bytes> records_;  // cache of LoadSealedCached(); guarded by records_mutex_
  std::size_t records_bytes_ = 0;

  std::mutex load_mutex_;     // serialises LoadIndex() and SaveIndex(); taken before index_mutex_
  std::set<Id> index_files_;  // files that the index in memory consists of; guarded by load_mutex_
  bool is_from_cache_ = false;             // some of them were not read; guarded by load_mutex_
  std::optional<IndexCache> index_cache_;  // guarded by load_mutex_
  mutable std::shared_mutex index_mutex_;
  BlobIndex index_;  // guarded by index_mutex_
};

Result<bool> OpenedRepository::IsOpenedBy(ByteView key_file, const Secret& password) {
  HF_ASSIGN(const std::optional<crypto::SealKey> master, TryKeyFile(key_file, password, random_));
  return master && *master == master_;
}

Result<std::vector<OpenedRepository::ListedIndexFile>> OpenedRepository::ListIndexFiles() {
  std::vector<ListedIndexFile> files;
  HF_TRY(storage_->List(FileKind::kIndex, [&](const FileInfo& file) -> Result<void> {
    HF_ASSIGN(Id id, ParseId(file.name.name));
    if (file.size > kIndexBytesMax) {
      return Fail(ErrorCode::kCorrupt, fmt::format("read \"{}\": it has {}", FilePath(file.name),
                                                   FormatBytes(file.size)));
    }
    files.push_back({id, file.size});
    return {};
  }));
  return files;
}

Result<void> OpenedRepository::LoadIndexFrom(bool uses_cache, const std::stop_token& stop) {
  std::lock_guard loading(load_mutex_);
  constexpr int kTriesMax = 3;
  for (int i = 1;; ++i) {
    Result<void> loaded = TryLoadIndex(uses_cache, stop);
    // A file that vanished between list and read was replaced by another one: list again.
    const bool is_gone = !loaded && loaded.error().code() == ErrorCode::kNotFound;
    if (!is_gone || i == kTriesMax) return loaded;
  }
}

// REQUIRES: load_mutex_ is held, here and below.
Result<void> OpenedRepository::TryLoadIndex(bool uses_cache, const std::stop_token& stop) {
  HF_ASSIGN(std::vector<ListedIndexFile> files, ListIndexFiles());
  std::set<Id> listed;
  for (const ListedIndexFile& file : files) listed.insert(file.id);
  if (uses_cache && index_files_.empty()) TakeCachedIndex(listed);
  const bool only_additions =
      (uses_cache || !is_from_cache_) && std::ranges::includes(listed, index_files_);
  if (only_additions) {
    std::erase_if(files, [&](const auto& file) { return index_files_.contains(file.id); });
    return LoadIndexFiles(std::move(files), stop, [&](const Id& id, auto packs) {
      std::unique_lock writing(index_mutex_);
      for (const PackContents& pack : packs) index_.Add(pack);
      index_files_.insert(id);
    });
  }
  BlobIndex fresh;
  HF_TRY(LoadIndexFiles(std::move(files), stop, [&](const Id&, auto packs) {
    for (const PackContents& pack : packs) fresh.Add(pack);
  }));
  std::unique_lock writing(index_mutex_);
  index_ = std::move(fresh);
  index_files_ = std::move(listed);
  is_from_cache_ = false;
  return {};
}

void OpenedRepository::TakeCachedIndex(const std::set<Id>& listed) {
  if (!index_cache_) return;
  std::optional<IndexCache::Loaded> cached = index_cache_->Load(listed);
  if (!cached) return;
  std::unique_lock writing(index_mutex_);
  index_ = std::move(cached->index);
  index_files_ = std::move(cached->files);
  is_from_cache_ = true;
}

// Loads files in parallel, because most of the time is spent waiting for the storage or, if it is
// near, decoding. `take` is called by one thread at a time.
Result<void> OpenedRepository::LoadIndexFiles(
    std::vector<ListedIndexFile> files, const std::stop_token& stop,
    const std::function<void(const Id&, std::span<const PackContents>)>& take) {
  std::mutex take_mutex;
  const auto load = [&](const ListedIndexFile& file) -> Result<void> {
    if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "load the index: stopped");
    std::vector<PackContents> packs;
    HF_ASSIGN(Bytes json, LoadSealed(FileKind::kIndex, file.id));
    Result<void> decoded =
        DecodeIndexFile(json, [&](PackContents pack) { packs.push_back(std::move(pack)); });
    if (!decoded) {
      return Fail(std::move(decoded).error().While(
          fmt::format("read \"{}\"", FilePath(NameOf(FileKind::kIndex, file.id)))));
    }
    std::lock_guard lock(take_mutex);
    take(file.id, packs);
    return {};
  };
  // Decoding a large file takes some 30 MB, so no more of them are loaded at once than can be
  // decoded at once.
  const auto large = std::partition(files.begin(), files.end(), [](const ListedIndexFile& file) {
    return file.bytes <= kSmallIndexBytesMax;
  });
  const auto small_count = static_cast<std::size_t>(large - files.begin());
  HF_TRY(ForEachInParallel(small_count, ThreadsFor(*storage_),
                           [&](std::size_t i) { return load(files[i]); }));
  return ForEachInParallel(files.size() - small_count, std::min(CoreCount(), kLargeIndexesAtOnce),
                           [&](std::size_t i) { return load(files[small_count + i]); });
}

Result<void> OpenedRepository::SaveIndexCache() {
  std::lock_guard loading(load_mutex_);
  std::shared_lock reading(index_mutex_);
  if (!index_cache_ || !index_cache_->Pays(index_files_.size(), index_.size())) return {};
  Result<bool> saved = index_cache_->Save(index_, index_files_, clock_.Now());
  if (!saved) return Fail(std::move(saved).error().While("keep the index for the next run"));
  return {};
}

std::optional<BlobLocation> OpenedRepository::Find(BlobType type, const Id& id) const {
  std::shared_lock reading(index_mutex_);
  return index_.Find(type, id);
}

std::vector<BlobLocation> OpenedRepository::FindAll(BlobType type, const Id& id) const {
  std::shared_lock reading(index_mutex_);
  return index_.FindAll(type, id);
}

std::size_t OpenedRepository::BlobCount() const {
  std::shared_lock reading(index_mutex_);
  return index_.size();
}

Result<void> OpenedRepository::ForEachBlob(
    const std::function<Result<void>(BlobType, const Id&, const BlobLocation&)>& visit) const {
  std::shared_lock reading(index_mutex_);
  return index_.ForEach(visit);
}

std::size_t OpenedRepository::IndexMemory() const {
  std::shared_lock reading(index_mutex_);
  return index_.memory();
}

std::optional<std::size_t> OpenedRepository::BlobNumber(BlobType type, const Id& id) const {
  std::shared_lock reading(index_mutex_);
  return index_.NumberOf(type, id);
}

Result<void> OpenedRepository::ForEachNumberedBlob(
    const std::function<Result<void>(std::size_t, BlobType, const Id&, const BlobLocation&)>& visit)
    const {
  std::shared_lock reading(index_mutex_);
  return index_.ForEach(
      [&](BlobType type, const Id& id, const BlobLocation& location) -> Result<void> {
        return visit(*index_.NumberOf(type, id), type, id, location);
      });
}

Result<std::vector<BlobLocation>> OpenedRepository::PlacesOf(BlobType type, const Id& id) {
  std::vector<BlobLocation> locations = FindAll(type, id);
  if (!locations.empty()) return locations;
  return Fail(ErrorCode::kNotFound,
              fmt::format("{} blob {} is not in the index", BlobTypeName(type), id.Hex()),
              "run `holdfast-agent check` to list everything that is missing");
}

template <typename T, typename Load>
Result<T> OpenedRepository::LoadFromAny(BlobType type, const Id& id, const Load& load) {
  HF_ASSIGN(const std::vector<BlobLocation> locations, PlacesOf(type, id));
  std::optional<Error> worst;
  for (const BlobLocation& location : locations) {
    const FileName pack = NameOf(FileKind::kPack, location.pack);
    Result<Bytes> sealed = storage_->Get(pack, {location.offset, location.length});
    Result<T> loaded =
        sealed ? load(location, *std::move(sealed)) : Result<T>(Fail(std::move(sealed).error()));
    if (loaded) return loaded;
    Error error = std::move(loaded).error();
    // The index has the blob, so a missing pack is damage.
    if (error.code() == ErrorCode::kNotFound) error = Error(ErrorCode::kCorrupt, error.message());
    // Prefer an error that is not damage: the blob may be intact in a copy that is out of reach.
    if (worst && (IsDamage(error) || !IsDamage(*worst))) continue;
    worst = std::move(error).While(
        fmt::format("read {} blob {} from \"{}\"", BlobTypeName(type), id.Hex(), FilePath(pack)));
  }
  return Fail(std::move(*worst));
}

Result<Bytes> OpenedRepository::LoadBlob(BlobType type, const Id& id) {
  return LoadFromAny<Bytes>(type, id, [&](const BlobLocation& location, const Bytes& sealed) {
    return OpenBlob(type, id, location, sealed);
  });
}

Result<void> OpenedRepository::StreamBlob(BlobType type, const Id& id,
                                          const std::function<Result<void>(ByteView)>& visit) {
  BlobLocation good;
  HF_ASSIGN(
      const Bytes sealed,
      LoadFromAny<Bytes>(type, id, [&](const BlobLocation& location, Bytes bytes) -> Result<Bytes> {
        crypto::Sha256 hash;
        HF_TRY(OpenInPieces(location, bytes, [&](ByteView piece) -> Result<void> {
          hash.Update(piece);
          return {};
        }));
        if (hash.Finish() != id.bytes) return WrongHash();
        good = location;
        return bytes;
      }));
  return OpenInPieces(good, sealed, visit);
}

Result<void> OpenedRepository::OpenInPieces(const BlobLocation& location, ByteView sealed,
                                            const std::function<Result<void>(ByteView)>& visit) {
  auto tools = tools_.Borrow();
  Result<void> outcome;
  std::uint64_t bytes = 0;
  const auto take = [&](ByteView piece) -> Result<void> {
    bytes += piece.size();
    if (bytes <= location.plain_length) return visit(piece);
    return Fail(ErrorCode::kCorrupt, "it is longer than the index says");
  };
  tools->decompressor.BeginStream();
  HF_TRY(tools->sealer.OpenInPieces(sealed, [&](ByteView piece) {
    outcome = location.compressed ? tools->decompressor.Stream(piece, take) : take(piece);
    return outcome.has_value();
  }));
  HF_TRY(std::move(outcome));
  if (bytes == location.plain_length && (!location.compressed || tools->decompressor.is_at_end())) {
    return {};
  }
  return Fail(ErrorCode::kCorrupt, "it is shorter than the index says");
}

Result<Bytes> OpenedRepository::OpenBlob(BlobType, const Id& id, const BlobLocation& location,
                                         ByteView sealed) {
  HF_CHECK(sealed.size() == location.length);
  auto tools = tools_.Borrow();
  Bytes plaintext;
  if (!location.compressed) {
    HF_ASSIGN(plaintext, tools->sealer.Open(sealed));
  } else {
    if (location.plain_length > kBlobBytesMax) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("a blob of {} is too large", FormatBytes(location.plain_length)));
    }
    if (sealed.size() < crypto::kSealOverhead) {
      return Fail(ErrorCode::kCorrupt, "too short to be sealed data");
    }
    RawBuffer& frame = tools->frame;
    frame.Clear();
    HF_TRY(tools->sealer.OpenInto(sealed, frame.Extend(sealed.size() - crypto::kSealOverhead)));
    plaintext.resize(location.plain_length);
    HF_TRY(tools->decompressor.DecompressInto(frame.view(), plaintext));
  }
  if (crypto::Sha256Of(plaintext) != id.bytes) return WrongHash();
  return plaintext;
}

Result<Id> OpenedRepository::SaveIndex(std::span<const PackContents> packs, const Permit& permit) {
  std::lock_guard loading(load_mutex_);
  CrashPoint("repository.index.before_put");
  HF_ASSIGN(const Bytes sealed, SealFile(FileKind::kIndex, AsBytes(EncodeIndexFile(packs))));
  HF_ASSIGN(const Id id, StoreSealed(FileKind::kIndex, sealed, permit));
  CrashPoint("repository.index.after_put");
  index_files_.insert(id);
  std::unique_lock writing(index_mutex_);
  for (const PackContents& pack : packs) index_.Add(pack);
  return id;
}

Result<Bytes> OpenedRepository::Unseal(ByteView sealed) {
  auto tools = tools_.Borrow();
  HF_ASSIGN(Bytes plaintext, tools->sealer.Open(sealed));
  if (plaintext.empty()) return Fail(ErrorCode::kCorrupt, "it is empty");
  if (plaintext[0] == '{' || plaintext[0] == '[') return plaintext;
  if (plaintext[0] != kCompressedFile) {
    return Fail(ErrorCode::kCorrupt, fmt::format("unknown encoding {}", plaintext[0]));
  }
  return tools->decompressor.DecompressUpTo(ByteView(plaintext).subspan(1), kSealedPlainMax);
}

Result<Bytes> OpenedRepository::LoadSealedCached(FileKind kind, const Id& id) {
  {
    std::lock_guard lock(records_mutex_);
    const auto known = records_.find(id);
    if (known != records_.end()) return known->second;
  }
  HF_ASSIGN(Bytes json, LoadSealed(kind, id));
  std::lock_guard lock(records_mutex_);
  // Once the cache is full, other files are read every time.
  if (records_bytes_ + json.size() <= kRecordCacheBytesMax && records_.emplace(id, json).second) {
    records_bytes_ += json.size();
  }
  return json;
}

Result<Bytes> OpenedRepository::LoadSealed(FileKind kind, const Id& id) {
  const FileName name = NameOf(kind, id);
  const std::string shown = fmt::format("read \"{}\"", FilePath(name));
  constexpr int kTriesMax = 2;  // the first transfer may have garbled the file
  for (int i = 1;; ++i) {
    Result<Bytes> sealed = storage_->Get(name, {});
    if (!sealed) return Fail(std::move(sealed).error().While(shown));
    if (crypto::Sha256Of(*sealed) == id.bytes) {
      Result<Bytes> json = Unseal(*sealed);
      if (!json) return Fail(std::move(json).error().While(shown));
      return json;
    }
    if (i == kTriesMax) break;
  }
  return Fail(
      Error(ErrorCode::kCorrupt, "its content does not match the hash in its name").While(shown));
}

Result<Bytes> OpenedRepository::SealFile(FileKind, ByteView json) {
  auto tools = tools_.Borrow();
  Bytes plaintext{kCompressedFile};
  const ByteView frame = tools->compressor.Compress(json);
  plaintext.insert(plaintext.end(), frame.begin(), frame.end());
  return tools->sealer.Seal(plaintext);
}

Result<Id> OpenedRepository::StoreSealed(FileKind kind, ByteView sealed, const Permit& permit) {
  const Id id{crypto::Sha256Of(sealed)};
  const FileName name = NameOf(kind, id);
  Result<void> stored = storage_->PutIfPermitted(name, sealed, permit);
  if (!stored) {
    if (stored.error().code() == ErrorCode::kNoSpace) return Fail(std::move(stored).error());
    return Fail(std::move(stored).error().While(fmt::format("write \"{}\"", FilePath(name))));
  }
  return id;
}

Result<Id> OpenedRepository::SaveSealed(FileKind kind, ByteView json) {
  HF_ASSIGN(Bytes sealed, SealFile(kind, json));
  return StoreSealed(kind, sealed, {});
}

// An empty config does not count: a killed `init` leaves one, which only reserves the name.
Result<bool> HoldsAny(Storage& storage, FileKind kind) {
  bool is_there = false;
  HF_TRY(storage.List(kind, [&](const FileInfo& file) -> Result<void> {
    is_there = is_there || kind != FileKind::kConfig || file.size > 0;
    return {};
  }));
  return is_there;
}

constexpr std::string_view kInterruptedHint =
    "`init` was interrupted, or \"config\" was lost: if the repository was never used, remove the "
    "directory \"keys\", and \"config\" if it is empty, and run `init` again; otherwise restore "
    "\"config\" from a copy";

Result<void> RefuseExisting(Storage& storage) {
  const std::string where = Quote(storage.location());
  HF_ASSIGN(bool has_config, HoldsAny(storage, FileKind::kConfig));
  if (has_config) {
    return Fail(ErrorCode::kAlreadyExists, fmt::format("a repository already exists at {}", where),
                "use it, or choose another place");
  }
  for (FileKind kind : {FileKind::kKey, FileKind::kSnapshot}) {
    HF_ASSIGN(bool is_there, HoldsAny(storage, kind));
    if (!is_there) continue;
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("{} has no \"config\" but files in \"{}\"", where, FileKindName(kind)),
                std::string(kInterruptedHint));
  }
  return {};
}

}  // namespace

unsigned ThreadsFor(const Storage& storage) {
  return std::max(CoreCount(), std::min(storage.connections_max(), kConnectionsUsed));
}

unsigned ReadThreadsFor(const Storage& storage) {
  return std::max(ThreadsFor(storage), std::min(2 * CoreCount(), kWaitingThreadsMax));
}

Result<Config> Repository::Init(Storage& storage, const Secret& password,
                                const InitOptions& options, Random& random, const Clock& clock) {
  if (password.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the repository's password is empty",
                "write a password into the password file");
  }
  HF_TRY(RefuseExisting(storage));
  const crypto::SealKey master = crypto::SealKey::Generate(random);
  Config config;
  std::array<std::uint8_t, 32> id;
  random.Fill(id);
  config.id = HexEncode(id);
  config.chunker_polynomial = fmt::format("{:x}", RandomPolynomial(random));
  HF_ASSIGN(Bytes key_file, MakeKeyFile(master, password, options, random, clock));

  HF_TRY(storage.Create());
  const FileName key_name{FileKind::kKey, HexEncode(crypto::Sha256Of(key_file))};
  const FileName config_name{FileKind::kConfig, ""};
  const Bytes sealed = crypto::Sealer(master, random).Seal(AsBytes(EncodeConfig(config)));
  Result<void> written = storage.Put(key_name, key_file, PutMode::kCreate);
  if (written) {
    written = storage.Put(config_name, sealed, PutMode::kCreate);
    if (written) return config;
    // If only the answer was lost, the repository exists and must keep its key.
    const Result<Bytes> there = storage.Get(config_name, {});
    if (there && *there == sealed) return config;
    if (!there && there.error().code() != ErrorCode::kNotFound) {
      return Fail(std::move(written).error());
    }
  }
  // Without the key, a retry can succeed. If this fails too, the retry reports the key.
  (void)storage.Remove(key_name);
  return Fail(std::move(written).error());
}

Result<std::unique_ptr<Repository>> Repository::Open(std::unique_ptr<Storage> storage,
                                                     const Secret& password,
                                                     const OpenOptions& options, Random& random,
                                                     const Clock& clock) {
  const FileName config_name{FileKind::kConfig, ""};
  const std::string where = Quote(storage->location());
  Result<FileInfo> found = storage->Stat(config_name);
  if (!found || found->size == 0) {
    if (!found && found.error().code() != ErrorCode::kNotFound) return Fail(found.error());
    HF_ASSIGN(bool has_key, HoldsAny(*storage, FileKind::kKey));
    if (has_key) {
      return Fail(ErrorCode::kCorrupt, fmt::format("{} has keys but no \"config\"", where),
                  std::string(kInterruptedHint));
    }
    return Fail(ErrorCode::kNotFound, fmt::format("no repository exists at {}", where),
                "is its disk mounted? For a new repository, `holdfast-agent init` creates it");
  }
  if (found->size > kRecordBytesMax) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("read \"config\" in {}: it has {}", where, FormatBytes(found->size)));
  }
  HF_ASSIGN(Bytes sealed, storage->Get(config_name, {}));
  Result<OpenedKey> key = OpenMasterKey(*storage, password, random, options.keys);
  if (!key) {
    // A config exists, so missing keys are damage.
    if (key.error().code() == ErrorCode::kNotFound) {
      return Fail(
          ErrorCode::kCorrupt, key.error().message(),
          "without a key file the repository cannot be opened; restore \"keys\" from a copy");
    }
    return Fail(std::move(key).error());
  }
  const std::string shown = fmt::format("read \"config\" in {}", where);
  Result<Bytes> plaintext = crypto::Sealer(key->master, random).Open(sealed);
  if (!plaintext) return Fail(std::move(plaintext).error().While(shown));
  Result<Config> config = DecodeConfig(*plaintext);
  if (!config) return Fail(std::move(config).error().While(shown));
  return std::make_unique<OpenedRepository>(std::move(storage), *key, *std::move(config), options,
                                            random, clock);
}

}  // namespace holdfast::repository
