#include "common/repository/store/blob_writer.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>

#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/crypto/sha256.h"
#include "common/repository/format/compressor.h"
#include "common/repository/store/index_schedule.h"
#include "common/repository/store/lock.h"
#include "common/repository/store/open_pack.h"

namespace holdfast::repository {
namespace {

// Chunk sizes reveal something about a file's content. So each data blob goes into a random one of
// several packs: an observer of the storage must not learn the order of the chunks from their
// layout.
constexpr std::size_t kDataPacksMin = 2;
// The caller's thread saves this much of a part alone. For less, threads cost more than they gain.
constexpr std::uint64_t kAloneBytes = 4U << 20;
// Waking a thread takes as long as making a small blob, so blobs are handed over in batches.
constexpr std::size_t kBatchBytes = 256U << 10;
constexpr std::size_t kBatchBlobs = 64;
// Limit for batches that wait for a thread. The owner of the memory limits their bytes.
constexpr std::size_t kWaitingMax = 128;
constexpr unsigned kStoringThreadsMax = 4;

// What one thread needs to make blobs from plaintext.
struct Tools {
  crypto::Sealer sealer;
  Compressor compressor;
  Decompressor decompressor{};
};

class PackingBlobWriter final : public BlobWriter {
 public:
  PackingBlobWriter(Repository& repository, const Lock* lock, Compression compression,
                    KnownBlobs known)
      : repository_(repository),
        lock_(lock),
        compression_(compression),
        own_tools_{repository.keys().NewSealer(), Compressor(compression)},
        tree_pack_(std::make_unique<OpenPack>()),
        index_schedule_(repository.clock().Monotonic()),
        verified_(known == KnownBlobs::kVerify ? repository.index().BlobCount() : 0) {
    AddDataPacks(kDataPacksMin);
  }

  ~PackingBlobWriter() override { EndThreads(); }

  bool Has(BlobType type, const Id& id) const override {
    std::lock_guard lock(mutex_);
    return IsKnown(type, id);
  }

  Result<Id> Save(BlobType type, ByteView plaintext) override {
    HF_TRY(CheckUsable());
    Result<Id> id = MakeBlob(own_tools_, type, plaintext);
    if (!id) SetFailure(id.error());
    return id;
  }

  Result<void> SaveLater(SharedBytes plaintext, std::shared_ptr<BlobIds> ids) override {
    HF_TRY(CheckUsable());
    bytes_handed_over_ += plaintext.bytes.size();
    if (threads_.empty() && bytes_handed_over_ <= kAloneBytes) {
      HF_ASSIGN(const Id id, Save(BlobType::kData, plaintext.bytes));
      if (ids != nullptr) ids->Fill(ids->Expect(), id);
      return {};
    }
    if (threads_.empty()) BeginThreads();
    Id* const place = ids == nullptr ? nullptr : &ids->Expect();
    batch_bytes_ += plaintext.bytes.size();
    batch_.push_back({std::move(plaintext), std::move(ids), place});
    if (batch_bytes_ < kBatchBytes && batch_.size() < kBatchBlobs) return {};
    {
      std::unique_lock lock(mutex_);
      Await(lock, [this] { return waiting_.size() < kWaitingMax; });
      if (failure_) {
        batch_.clear();  // the owner may wait for its memory
        return Fail(*failure_);
      }
    }
    Flush();
    return {};
  }

  void Flush() override {
    if (batch_.empty()) return;
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::exchange(batch_, {}));
    batch_bytes_ = 0;
    work_.notify_one();
  }

  Result<void> WaitFor(const BlobIds& ids) override {
    HF_CHECK(!is_finished_);
    if (!ids.is_complete()) {
      Flush();
      std::unique_lock lock(mutex_);
      Await(lock, [&] { return ids.is_complete(); });
    }
    return ids.is_complete() ? Result<void>{} : CheckUsable();
  }

  BlobStatistics statistics() const override {
    std::lock_guard lock(mutex_);
    return statistics_;
  }

  Result<BlobStatistics> Finish() override {
    HF_TRY(CheckUsable());
    is_finished_ = true;
    Result<void> finished = StoreRest();
    EndThreads();
    if (!finished) return Fail(std::move(finished).error());
    return statistics_;
  }

 private:
  using IdSet = std::unordered_set<Id, IdHash>;
  struct Waiting {
    SharedBytes plaintext;
    std::shared_ptr<BlobIds> ids;  // null: not wanted
    Id* place = nullptr;           // in `ids`
  };

  Result<void> CheckUsable() const {
    HF_CHECK(!is_finished_);
    std::lock_guard lock(mutex_);
    return failure_ ? Result<void>(Fail(*failure_)) : Result<void>{};
  }

  void SetFailure(const Error& error) {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
    changed_.notify_all();
  }

  // Waits until other threads have made `condition` true, or for a failure. `lock` holds mutex_.
  template <typename Condition>
  void Await(std::unique_lock<std::mutex>& lock, const Condition& condition) {
    changed_.wait(lock, [&] { return failure_ || condition(); });
  }

  // Threads.

  void BeginThreads() {
    const unsigned cores = CoreCount();
    const unsigned storing =
        std::clamp(repository_.storage().connections_max(), 1U, kStoringThreadsMax);
    {
      std::lock_guard lock(mutex_);
      if (data_pack_count_ < cores + 1) AddDataPacks(cores + 1 - data_pack_count_);
      stores_apart_ = true;
      storing_max_ = storing;
    }
    for (unsigned i = 0; i < cores; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { MakeBlobs(stop); });
    }
    for (unsigned i = 0; i < storing; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { StorePacks(stop); });
    }
  }

  void EndThreads() {
    for (std::jthread& thread : threads_) thread.request_stop();
    threads_.clear();
  }

  void MakeBlobs(const std::stop_token& stop) {
    // The reader and the service it reads from compute little, but often wait for each other. If
    // they had to wait for these threads too, the threads would soon run out of work.
    SetIdlePriority();
    Tools tools{repository_.keys().NewSealer(), Compressor(compression_)};
    std::unique_lock lock(mutex_);
    while (work_.wait(lock, stop, [this] { return !waiting_.empty(); }) && !stop.stop_requested()) {
      std::vector<Waiting> batch = std::move(waiting_.front());
      waiting_.pop_front();
      ++making_;
      bool is_wanted = !failure_;
      lock.unlock();
      for (Waiting& next : batch) {
        if (is_wanted) {
          Result<Id> id = MakeBlob(tools, BlobType::kData, next.plaintext.bytes);
          if (!id) {
            SetFailure(id.error());
            is_wanted = false;
          } else if (next.place != nullptr) {
            next.ids->Fill(*next.place, *id);
          }
        }
        next = {};  // frees the memory before the batch counts as done
      }
      lock.lock();
      --making_;
      changed_.notify_all();
    }
  }

  void StorePacks(const std::stop_token& stop) {
    crypto::Sealer sealer = repository_.keys().NewSealer();
    std::unique_lock lock(mutex_);
    while (full_.wait(lock, stop, [this] { return !to_store_.empty(); }) &&
           !stop.stop_requested()) {
      std::unique_ptr<OpenPack> pack = std::move(to_store_.front());
      to_store_.pop_front();
      const bool is_wanted = !failure_;
      lock.unlock();
      Result<void> stored = is_wanted ? StoreNow(sealer, *pack) : Result<void>{};
      if (!stored) SetFailure(stored.error());
      lock.lock();
      --storing_;
      if (pack->capacity() <= kPackBytesReserved) spare_.push_back(std::move(pack));
      changed_.notify_all();
    }
  }

  // Blobs.

  // REQUIRES: mutex_ is held.
  bool IsKnown(BlobType type, const Id& id) const {
    return pending_[static_cast<std::size_t>(type)].contains(id) ||
           repository_.index().Find(type, id).has_value();
  }

  // Whether the blob is new; then the caller must store it.
  Result<bool> Claim(const PackContents::Blob& blob) {
    const auto type = static_cast<std::size_t>(blob.type);
    bool is_repaired = false;
    std::unique_lock lock(mutex_);
    if (pending_[type].contains(blob.id)) return false;
    if (const auto number = repository_.index().BlobNumber(blob.type, blob.id)) {
      // Entries added since this writer began are trusted: they are its own or another writer's.
      if (*number >= verified_.size() || verified_[*number]) return false;
      lock.unlock();
      const Result<Bytes> stored = repository_.blobs().Load(blob.type, blob.id);
      if (!stored && !IsDamage(stored.error())) return Fail(stored.error());
      lock.lock();
      if (verified_[*number] || pending_[type].contains(blob.id)) return false;
      verified_[*number] = true;  // intact, or about to be stored again
      if (stored) return false;
      is_repaired = true;
    }
    pending_[type].insert(blob.id);
    ++(blob.type == BlobType::kTree ? statistics_.tree_blobs : statistics_.data_blobs);
    if (is_repaired) ++statistics_.blobs_repaired;
    statistics_.bytes_added += blob.plain_length;
    return true;
  }

  Result<Id> MakeBlob(Tools& tools, BlobType type, ByteView plaintext) {
    if (plaintext.empty() || plaintext.size() > kBlobBytesMax) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("a {} blob of {} cannot be stored", BlobTypeName(type),
                              FormatBytes(plaintext.size())),
                  "a directory with that many entries must be split");
    }
    PackContents::Blob blob{.id = Id{crypto::Sha256Of(plaintext)}, .type = type};
    blob.plain_length = static_cast<std::uint32_t>(plaintext.size());
    HF_ASSIGN(const bool is_new, Claim(blob));
    if (!is_new) return blob.id;
    const std::optional<ByteView> frame = tools.compressor.CompressBlob(type, plaintext);
    blob.compressed = frame.has_value();
    const ByteView payload = frame.value_or(plaintext);
    const bool is_alone = payload.size() >= kPackBytesTarget;
    std::unique_ptr<OpenPack> pack = is_alone ? std::make_unique<OpenPack>() : TakePack(type);
    if (!pack->HasRoom(crypto::kSealOverhead + payload.size())) {
      HF_TRY(Store(tools.sealer, std::exchange(pack, NewPack())));
    }
    HF_TRY(Verify(tools, pack->Append(tools.sealer, payload, blob), blob, plaintext));
    if (is_alone) {
      HF_TRY(Store(tools.sealer, std::move(pack)));
    } else {
      GivePack(type, std::move(pack));
    }
    return blob.id;
  }

  Result<void> Verify(Tools& tools, ByteView sealed, const PackContents::Blob& blob,
                      ByteView plaintext) const {
    if (!repository_.options().verify_blobs) return {};
    const auto fail = [&] {
      return Fail(ErrorCode::kInternal,
                  fmt::format("{} blob {} was encrypted, but does not decrypt to its content",
                              BlobTypeName(blob.type), blob.id.Hex()),
                  "test this machine's memory");
    };
    ByteView expected = plaintext;
    bool is_same = true;
    if (blob.compressed) tools.decompressor.BeginComparison(plaintext);
    const auto compare = [&](ByteView piece) {
      if (blob.compressed) {
        is_same = tools.decompressor.Compare(piece);
      } else {
        is_same = piece.size() <= expected.size() &&
                  std::memcmp(piece.data(), expected.data(), piece.size()) == 0;
        if (is_same) expected = expected.subspan(piece.size());
      }
      return is_same;
    };
    if (!tools.sealer.OpenInPieces(sealed, compare) || !is_same) return fail();
    return (blob.compressed ? tools.decompressor.EndComparison() : expected.empty())
               ? Result<void>{}
               : fail();
  }

  // Packs.

  void AddDataPacks(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) data_packs_.push_back(std::make_unique<OpenPack>());
    data_pack_count_ += count;
  }

  // Takes an open pack out, so that no other thread fills it.
  std::unique_ptr<OpenPack> TakePack(BlobType type) {
    std::uint8_t chance = 0;
    if (type == BlobType::kData) repository_.random().Fill({&chance, 1});
    std::unique_lock lock(mutex_);
    if (type == BlobType::kTree) return std::move(tree_pack_);  // only one thread saves trees
    // There is one more pack than threads that take one.
    HF_CHECK(!data_packs_.empty());
    std::swap(data_packs_[chance % data_packs_.size()], data_packs_.back());
    std::unique_ptr<OpenPack> pack = std::move(data_packs_.back());
    data_packs_.pop_back();
    return pack;
  }

  void GivePack(BlobType type, std::unique_ptr<OpenPack> pack) {
    std::lock_guard lock(mutex_);
    if (type == BlobType::kTree) {
      tree_pack_ = std::move(pack);
    } else {
      data_packs_.push_back(std::move(pack));
    }
  }

  std::unique_ptr<OpenPack> NewPack() {
    std::lock_guard lock(mutex_);
    if (spare_.empty()) return std::make_unique<OpenPack>();
    std::unique_ptr<OpenPack> pack = std::move(spare_.back());
    spare_.pop_back();
    return pack;
  }

  // Stores the pack on this thread or, if there are threads for that, waits until one is free.
  Result<void> Store(crypto::Sealer& sealer, std::unique_ptr<OpenPack> pack) {
    std::unique_lock lock(mutex_);
    if (!stores_apart_) {
      lock.unlock();
      return StoreNow(sealer, *pack);
    }
    Await(lock, [this] { return storing_ < storing_max_; });
    if (failure_) return Fail(*failure_);
    ++storing_;
    to_store_.push_back(std::move(pack));
    full_.notify_one();
    return {};
  }

  Result<void> StoreNow(crypto::Sealer& sealer, OpenPack& pack) {
    HF_ASSIGN(PackContents contents, StorePack(repository_.storage(), lock_, sealer, pack));
    std::unique_lock lock(mutex_);
    statistics_.bytes_packed += pack.bytes().size();
    index_schedule_.Add(pack.bytes().size(), contents.blobs.size());
    pack.Clear();
    finished_.push_back(std::move(contents));
    const bool is_due = index_schedule_.IsDue(repository_.clock().Monotonic());
    return is_due ? WriteIndex(lock) : Result<void>{};
  }

  // Indexes the packs in no index file yet. `lock` holds mutex_, and is released while writing.
  Result<void> WriteIndex(std::unique_lock<std::mutex>& lock) {
    const std::vector<PackContents> packs = std::exchange(finished_, {});
    index_schedule_.Reset(repository_.clock().Monotonic());
    lock.unlock();
    HF_TRY(repository_.index().Save(packs, WhileHeld(lock_)));
    lock.lock();
    for (const PackContents& pack : packs) {
      for (const PackContents::Blob& blob : pack.blobs) {
        pending_[static_cast<std::size_t>(blob.type)].erase(blob.id);
      }
    }
    return {};
  }

  Result<void> StoreRest() {
    Flush();
    std::unique_lock lock(mutex_);
    Await(lock, [this] { return waiting_.empty() && making_ == 0; });
    if (failure_) return Fail(*failure_);
    std::vector<std::unique_ptr<OpenPack>> rest = std::exchange(data_packs_, {});
    lock.unlock();
    for (std::size_t i = 1; i < rest.size(); ++i) {
      for (std::size_t j = 0; j < i && !rest[i]->empty(); ++j) {
        if (rest[j]->Fits(*rest[i])) rest[j]->Absorb(*rest[i]);
      }
    }
    rest.push_back(std::move(tree_pack_));
    for (std::unique_ptr<OpenPack>& pack : rest) {
      if (!pack->empty()) HF_TRY(Store(own_tools_.sealer, std::move(pack)));
    }
    lock.lock();
    Await(lock, [this] { return storing_ == 0; });
    if (failure_) return Fail(*failure_);
    return finished_.empty() ? Result<void>{} : WriteIndex(lock);
  }

  Repository& repository_;
  const Lock* lock_;
  const Compression compression_;
  Tools own_tools_;  // of the caller's thread
  std::uint64_t bytes_handed_over_ = 0;
  std::vector<Waiting> batch_;  // not handed over yet
  std::size_t batch_bytes_ = 0;
  bool is_finished_ = false;

  mutable std::mutex mutex_;                           // guards all below
  std::condition_variable_any work_;                   // for threads that make blobs
  std::condition_variable_any full_;                   // for threads that store packs
  std::condition_variable changed_;                    // for threads that wait for others
  std::deque<std::vector<Waiting>> waiting_;           // for threads that make blobs
  unsigned making_ = 0;                                // threads that are making blobs
  std::vector<std::unique_ptr<OpenPack>> data_packs_;  // those that no thread is filling
  std::size_t data_pack_count_ = 0;
  std::unique_ptr<OpenPack> tree_pack_;
  std::vector<std::unique_ptr<OpenPack>> spare_;  // empty; kept to reuse their memory
  bool stores_apart_ = false;                     // there are threads that store packs
  std::deque<std::unique_ptr<OpenPack>> to_store_;
  unsigned storing_ = 0;  // in to_store_, or being stored
  unsigned storing_max_ = 0;
  std::array<IdSet, 2> pending_;        // claimed, not in the repository's index yet
  std::vector<PackContents> finished_;  // durable, not in an index file yet
  IndexSchedule index_schedule_;        // for finished_
  // By BlobNumber(): known to be intact, or stored again. Covers the entries that the index had at
  // first; empty if they are trusted.
  std::vector<bool> verified_;
  BlobStatistics statistics_;
  std::optional<Error> failure_;  // the first one

  std::vector<std::jthread> threads_;  // last: joined before the rest is destroyed
};

}  // namespace

Id& BlobIds::Expect() {
  left_.fetch_add(1, std::memory_order_relaxed);
  return ids_.emplace_back();
}

void BlobIds::Fill(Id& place, const Id& id) {
  place = id;
  left_.fetch_sub(1, std::memory_order_release);
}

std::vector<Id> BlobIds::Take() {
  HF_CHECK(is_complete());
  std::vector<Id> taken(ids_.begin(), ids_.end());
  ids_.clear();
  return taken;
}

std::unique_ptr<BlobWriter> BlobWriter::Begin(Repository& repository, const Lock* lock,
                                              std::optional<Compression> compression,
                                              KnownBlobs known) {
  return std::make_unique<PackingBlobWriter>(
      repository, lock, compression.value_or(repository.options().compression), known);
}

}  // namespace holdfast::repository
