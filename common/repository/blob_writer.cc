#include "common/repository/blob_writer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <unordered_set>
#include <vector>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/repository/compressor.h"
#include "common/repository/index_file.h"
#include "common/repository/lock.h"
#include "common/repository/pack_format.h"

namespace holdfast::repository {
namespace {

// A pack is closed at this size; a blob that is larger gets a pack of its own.
constexpr std::size_t kPackBytesTarget = 16U << 20;
// The largest chunk of a file, sealed, fits beside an almost full pack without a reallocation.
constexpr std::size_t kPackBytesReserved = kPackBytesTarget + (9U << 20);
constexpr std::size_t kPackBlobsMax = kIndexBlobsMax;
static_assert(kPackBlobsMax * kPackEntryCompressedBytes < kPackHeaderBytesMax);
constexpr std::chrono::minutes kIndexInterval{1};
// Who watches the storage must not learn from a pack's layout in which order a file's chunks, whose
// sizes tell of its content, were cut; so each data blob goes into one of several packs by chance.
constexpr std::size_t kDataPacks = 2;

// A pack that is being filled.
class OpenPack {
 public:
  bool empty() const { return blobs_.empty(); }
  bool IsFull() const {
    return bytes_.size() >= kPackBytesTarget || blobs_.size() >= kPackBlobsMax;
  }
  bool Fits(const OpenPack& other) const {
    return bytes_.size() + other.bytes_.size() <= kPackBytesTarget &&
           blobs_.size() + other.blobs_.size() <= kPackBlobsMax;
  }

  // Seals `payload` into the pack; the view is valid until the next call.
  ByteView Append(crypto::Sealer& sealer, ByteView payload, PackContents::Blob blob) {
    if (bytes_.capacity() == 0) {
      bytes_.reserve(std::max(kPackBytesReserved, payload.size() + (1U << 20)));
    }
    const std::size_t begin = bytes_.size();
    sealer.SealTo(payload, bytes_);
    const ByteView sealed = ByteView(bytes_).subspan(begin);
    blob.offset = static_cast<std::uint32_t>(begin);
    blob.length = static_cast<std::uint32_t>(sealed.size());
    blobs_.push_back(blob);
    hash_.Update(sealed);
    return sealed;
  }

  // Takes over what `other` holds and leaves it empty.
  void Absorb(OpenPack& other) {
    const auto shift = static_cast<std::uint32_t>(bytes_.size());
    bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
    hash_.Update(other.bytes_);
    for (PackContents::Blob blob : other.blobs_) {
      blob.offset += shift;
      blobs_.push_back(blob);
    }
    other.Clear();
  }

  // Adds the header; nothing can be appended any more. The pack's name and what lies in it.
  PackContents Close(crypto::Sealer& sealer) {
    const std::size_t begin = bytes_.size();
    sealer.SealTo(EncodePackHeader(blobs_), bytes_);
    const std::size_t length = bytes_.size() - begin;
    for (unsigned shift = 0; shift < 32; shift += 8) {
      bytes_.push_back(static_cast<std::uint8_t>(length >> shift));
    }
    hash_.Update(ByteView(bytes_).subspan(begin));
    return {Id{hash_.Finish()}, std::move(blobs_)};
  }

  ByteView bytes() const { return bytes_; }

  void Clear() {
    bytes_.clear();
    blobs_.clear();
    (void)hash_.Finish();  // begins a new message
  }

 private:
  Bytes bytes_;
  std::vector<PackContents::Blob> blobs_;
  crypto::Sha256 hash_;  // of bytes_, taken while they are still in the processor's cache
};

class PackingBlobWriter final : public BlobWriter {
 public:
  PackingBlobWriter(Repository& repository, const Lock* lock)
      : repository_(repository),
        lock_(lock),
        sealer_(repository.NewSealer()),
        compressor_(repository.options().compression),
        last_index_(repository.clock().Monotonic()) {}

  bool Has(BlobType type, const Id& id) const override {
    return PendingOf(type).contains(id) || repository_.Find(type, id).has_value();
  }

  Result<Id> Save(BlobType type, ByteView plaintext) override {
    HF_CHECK(!is_finished_);
    if (failure_) return Fail(*failure_);
    Result<Id> id = TrySave(type, plaintext);
    if (!id) failure_ = id.error();
    return id;
  }

  const BlobStatistics& statistics() const override { return statistics_; }

  Result<BlobStatistics> Finish() override {
    HF_CHECK(!is_finished_);
    if (failure_) return Fail(*failure_);
    is_finished_ = true;
    HF_TRY(ClosePacks());
    if (!finished_.empty()) HF_TRY(WriteIndex());
    return statistics_;
  }

 private:
  using IdSet = std::unordered_set<Id, IdHash>;
  IdSet& PendingOf(BlobType type) { return pending_[static_cast<std::size_t>(type)]; }
  const IdSet& PendingOf(BlobType type) const { return pending_[static_cast<std::size_t>(type)]; }

  Result<Id> TrySave(BlobType type, ByteView plaintext) {
    if (plaintext.empty() || plaintext.size() > kBlobBytesMax) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("a {} blob of {} cannot be stored", BlobTypeName(type),
                              FormatBytes(plaintext.size())),
                  "a directory with that many entries must be split");
    }
    const Id id{crypto::Sha256Of(plaintext)};
    if (Has(type, id)) return id;
    PackContents::Blob blob{.id = id, .type = type};
    blob.plain_length = static_cast<std::uint32_t>(plaintext.size());
    blob.compressed = compressor_.CompressBlob(type, plaintext, frame_);
    const ByteView payload = blob.compressed ? ByteView(frame_) : plaintext;
    if (payload.size() >= kPackBytesTarget) {
      OpenPack own;
      HF_TRY(Verify(own.Append(sealer_, payload, blob), blob, plaintext));
      Count(blob);
      HF_TRY(StorePack(own));
      return id;
    }
    OpenPack& pack = ChoosePack(type);
    HF_TRY(Verify(pack.Append(sealer_, payload, blob), blob, plaintext));
    Count(blob);
    if (pack.IsFull()) HF_TRY(StorePack(pack));
    return id;
  }

  OpenPack& ChoosePack(BlobType type) {
    if (type == BlobType::kTree) return tree_pack_;
    std::uint8_t byte = 0;
    repository_.random().Fill({&byte, 1});
    return data_packs_[byte % kDataPacks];
  }

  void Count(const PackContents::Blob& blob) {
    PendingOf(blob.type).insert(blob.id);
    ++(blob.type == BlobType::kTree ? statistics_.tree_blobs : statistics_.data_blobs);
    statistics_.bytes_added += blob.plain_length;
  }

  Result<void> Verify(ByteView sealed, const PackContents::Blob& blob, ByteView plaintext) {
    if (!repository_.options().verify_blobs) return {};
    const auto fail = [&] {
      return Fail(ErrorCode::kInternal,
                  fmt::format("{} blob {} was sealed and does not open to what it was",
                              BlobTypeName(blob.type), blob.id.Hex()),
                  "test this machine's memory");
    };
    if (!sealer_.OpenTo(sealed, opened_)) return fail();
    if (blob.compressed) {
      Result<Bytes> decompressed = decompressor_.Decompress(opened_, blob.plain_length);
      if (!decompressed) return fail();
      opened_ = *std::move(decompressed);
    }
    return std::ranges::equal(opened_, plaintext) ? Result<void>{} : fail();
  }

  Result<void> AskLock() { return lock_ == nullptr ? Result<void>{} : lock_->StillHeld(); }

  // The header goes last, and the name is the hash of it all: a torn file has neither.
  Result<void> StorePack(OpenPack& pack) {
    HF_TRY(AskLock());
    PackContents contents = pack.Close(sealer_);
    const FileName name{FileKind::kPack, contents.id.Hex()};
    CrashPoint("repository.pack.before_put");
    Result<void> stored = repository_.storage().Put(name, pack.bytes(), PutMode::kReplace);
    if (!stored) {
      return Fail(std::move(stored).error().While(fmt::format("write \"{}\"", FilePath(name))));
    }
    CrashPoint("repository.pack.after_put");
    statistics_.bytes_packed += pack.bytes().size();
    pack.Clear();
    finished_blobs_ += contents.blobs.size();
    finished_.push_back(std::move(contents));
    const bool is_time = repository_.clock().Monotonic() - last_index_ >= kIndexInterval;
    return is_time || finished_blobs_ >= kIndexBlobsMax ? WriteIndex() : Result<void>{};
  }

  Result<void> ClosePacks() {
    for (std::size_t i = 1; i < kDataPacks; ++i) {
      if (data_packs_[0].Fits(data_packs_[i])) data_packs_[0].Absorb(data_packs_[i]);
    }
    for (OpenPack& pack : data_packs_) {
      if (!pack.empty()) HF_TRY(StorePack(pack));
    }
    return tree_pack_.empty() ? Result<void>{} : StorePack(tree_pack_);
  }

  Result<void> WriteIndex() {
    HF_TRY(AskLock());
    HF_TRY(repository_.SaveIndex(finished_));
    for (const PackContents& pack : finished_) {
      for (const PackContents::Blob& blob : pack.blobs) PendingOf(blob.type).erase(blob.id);
    }
    finished_.clear();
    finished_blobs_ = 0;
    last_index_ = repository_.clock().Monotonic();
    return {};
  }

  Repository& repository_;
  const Lock* lock_;
  crypto::Sealer sealer_;
  Compressor compressor_;
  Decompressor decompressor_;
  Bytes frame_;   // scratch
  Bytes opened_;  // scratch
  std::array<OpenPack, kDataPacks> data_packs_;
  OpenPack tree_pack_;
  std::array<IdSet, 2> pending_;        // saved, and not in the repository's index yet
  std::vector<PackContents> finished_;  // durable, and not in an index file yet
  std::size_t finished_blobs_ = 0;
  Instant last_index_;
  BlobStatistics statistics_;
  std::optional<Error> failure_;
  bool is_finished_ = false;
};

}  // namespace

std::unique_ptr<BlobWriter> BlobWriter::Begin(Repository& repository, const Lock* lock) {
  return std::make_unique<PackingBlobWriter>(repository, lock);
}

}  // namespace holdfast::repository
