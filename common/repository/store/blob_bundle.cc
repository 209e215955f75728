#include "common/repository/store/blob_bundle.h"

#include <algorithm>
#include <utility>

namespace holdfast::repository {
namespace {

// Gaps up to this size are read too, because another request would cost more.
constexpr std::uint64_t kReadGapBytesMax = 128U << 10;
constexpr std::uint64_t kRangeBytesMax = 8U << 20;

}  // namespace

std::size_t BlobBundle::Add(const Id& blob) {
  blobs_.push_back({.id = blob, .location = repository_.index().Find(BlobType::kData, blob)});
  return blobs_.size() - 1;
}

void BlobBundle::MakeRanges() {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < blobs_.size(); ++i) {
    if (blobs_[i].location) order.push_back(i);
  }
  std::ranges::sort(order, {}, [this](std::size_t i) {
    return std::make_pair(blobs_[i].location->pack, blobs_[i].location->offset);
  });
  for (const std::size_t i : order) {
    Blob& blob = blobs_[i];
    const BlobLocation& location = *blob.location;
    const std::uint64_t end = std::uint64_t{location.offset} + location.length;
    const bool joins = !ranges_.empty() && ranges_.back().pack == location.pack &&
                       location.offset <= ranges_.back().end + kReadGapBytesMax &&
                       end <= ranges_.back().begin + kRangeBytesMax;
    if (!joins) ranges_.push_back({location.pack, location.offset, location.offset, {}});
    Range& range = ranges_.back();
    range.end = std::max(range.end, end);
    blob.range = ranges_.size() - 1;
    blob.begin = location.offset - range.begin;
  }
}

Result<void> BlobBundle::Read() {
  MakeRanges();
  for (Range& range : ranges_) {
    if (range.end == range.begin) continue;
    Result<Bytes> sealed = repository_.storage().Get({FileKind::kPack, range.pack.Hex()},
                                                     {range.begin, range.end - range.begin});
    if (sealed) {
      range.sealed = *std::move(sealed);
      continue;
    }
    if (!MayHaveOtherCopy(sealed.error())) return Fail(std::move(sealed).error());
  }
  return {};
}

Result<Bytes> BlobBundle::Open(std::size_t number) {
  const Blob& blob = blobs_[number];
  if (blob.location && !ranges_[blob.range].sealed.empty()) {
    const ByteView sealed =
        ByteView(ranges_[blob.range].sealed).subspan(blob.begin, blob.location->length);
    Result<Bytes> plaintext = repository_.blobs().Open(blob.id, *blob.location, sealed);
    if (plaintext) return plaintext;
  }
  // Load it separately: perhaps another pack has it, and errors name the pack.
  return repository_.blobs().LoadNeeded(BlobType::kData, blob.id);
}

}  // namespace holdfast::repository
