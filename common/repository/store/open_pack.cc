#include "common/repository/store/open_pack.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/repository/format/index_file.h"
#include "common/repository/format/pack_format.h"

namespace holdfast::repository {
namespace {

constexpr std::size_t kPackBlobsMax = kIndexBlobsMax;
static_assert(kPackBlobsMax * kPackEntryCompressedBytes < kPackHeaderBytesMax);
static_assert(kPackBlobsMax * kPackEntryCompressedBytes < kPackBytesReserved - kPackBytesTarget);

}  // namespace

bool OpenPack::HasRoom(std::size_t sealed_bytes) const {
  return empty() ||
         (bytes_.size() + sealed_bytes <= kPackBytesTarget && blobs_.size() < kPackBlobsMax);
}

bool OpenPack::Fits(const OpenPack& other) const {
  return bytes_.size() + other.bytes_.size() <= kPackBytesTarget &&
         blobs_.size() + other.blobs_.size() <= kPackBlobsMax;
}

std::span<std::uint8_t> OpenPack::Extend(std::size_t length) {
  if (bytes_.empty()) bytes_.Reserve(std::max(kPackBytesReserved, length + (1U << 20)));
  return bytes_.Extend(length);
}

ByteView OpenPack::Append(crypto::Sealer& sealer, ByteView payload, PackContents::Blob blob) {
  const std::size_t begin = bytes_.size();
  const std::span<std::uint8_t> sealed = Extend(crypto::kSealOverhead + payload.size());
  sealer.SealInto(payload, sealed);
  blob.offset = static_cast<std::uint32_t>(begin);
  blob.length = static_cast<std::uint32_t>(sealed.size());
  blobs_.push_back(blob);
  hash_.Update(sealed);
  return sealed;
}

void OpenPack::AppendSealed(ByteView sealed, PackContents::Blob blob) {
  blob.offset = static_cast<std::uint32_t>(bytes_.size());
  blob.length = static_cast<std::uint32_t>(sealed.size());
  std::ranges::copy(sealed, Extend(sealed.size()).begin());
  blobs_.push_back(blob);
  hash_.Update(sealed);
}

ByteView OpenPack::TakeSealed(RawBuffer sealed, PackContents::Blob blob) {
  HF_CHECK(empty());
  bytes_ = std::move(sealed);
  blob.offset = 0;
  blob.length = static_cast<std::uint32_t>(bytes_.size());
  blobs_.push_back(blob);
  hash_.Update(bytes_.view());
  return bytes_.view();
}

void OpenPack::Absorb(OpenPack& other) {
  const auto shift = static_cast<std::uint32_t>(bytes_.size());
  bytes_.Append(other.bytes());
  hash_.Update(other.bytes());
  for (PackContents::Blob blob : other.blobs_) {
    blob.offset += shift;
    blobs_.push_back(blob);
  }
  other.Clear();
}

PackContents OpenPack::Close(crypto::Sealer& sealer) {
  const std::size_t begin = bytes_.size();
  const Bytes header = EncodePackHeader(blobs_);
  const std::size_t length = crypto::kSealOverhead + header.size();
  sealer.SealInto(header, bytes_.Extend(length));
  const std::span<std::uint8_t> tail = bytes_.Extend(kPackHeaderLengthBytes);
  for (std::size_t i = 0; i < tail.size(); ++i) {
    tail[i] = static_cast<std::uint8_t>(length >> (8 * i));
  }
  hash_.Update(bytes_.view().subspan(begin));
  return {Id{hash_.Finish()}, std::exchange(blobs_, {})};
}

void OpenPack::Clear() {
  bytes_.Clear();
  blobs_.clear();
  (void)hash_.Finish();  // begins a new message
}

Result<PackContents> StorePack(Storage& storage, const Lock* lock, crypto::Sealer& sealer,
                               OpenPack& pack) {
  PackContents contents = pack.Close(sealer);
  const FileName name{FileKind::kPack, contents.id.Hex()};
  CrashPoint("repository.pack.before_put");
  Result<void> stored = storage.PutIfPermitted(name, pack.bytes(), WhileHeld(lock));
  if (!stored) {
    if (stored.error().code() == ErrorCode::kNoSpace) return Fail(std::move(stored).error());
    return Fail(std::move(stored).error().While(fmt::format("write \"{}\"", FilePath(name))));
  }
  CrashPoint("repository.pack.after_put");
  return contents;
}

}  // namespace holdfast::repository
