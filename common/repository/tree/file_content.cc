#include "common/repository/tree/file_content.h"

#include <algorithm>

#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/crypto/sha256.h"
#include "common/io/fd.h"

namespace holdfast::repository {
namespace {

// Blobs that one thread takes at a time, to reduce contention.
constexpr std::size_t kBlobsAtOnce = 16;

}  // namespace

Error SizeMismatch(std::uint64_t bytes, std::uint64_t size) {
  return {ErrorCode::kCorrupt, fmt::format("its blobs have {}, but its size is {}",
                                           FormatCount(bytes, "byte"), FormatCount(size))};
}

Result<std::vector<std::uint64_t>> BlobOffsets(BlobStore& store, std::span<const Id> blobs,
                                               std::uint64_t size) {
  std::vector<std::uint64_t> offsets;
  offsets.reserve(blobs.size() + 1);
  std::uint64_t end = 0;
  for (const Id& blob : blobs) {
    offsets.push_back(end);
    const std::optional<BlobLocation> location = store.index().Find(BlobType::kData, blob);
    if (location) {
      end += location->plain_length;
      continue;
    }
    HF_ASSIGN(const Bytes plaintext, store.LoadNeeded(BlobType::kData, blob));
    end += plaintext.size();
  }
  offsets.push_back(end);
  if (end != size) return Fail(SizeMismatch(end, size));
  return offsets;
}

Bytes ReadBlobInFile(int file, const Id& blob, std::uint64_t begin, std::uint64_t end) {
  if (end - begin > kBlobBytesMax) return {};
  Bytes bytes(end - begin);
  if (!ReadAllAt(file, bytes, begin, "the file")) return {};
  return crypto::Sha256Of(bytes) == blob.bytes ? bytes : Bytes();
}

std::vector<bool> FindBlobsInFile(int file, std::span<const Id> blobs,
                                  std::span<const std::uint64_t> offsets, unsigned threads) {
  std::vector<char> found(blobs.size());  // bits would be shared between threads
  const std::size_t groups = (blobs.size() + kBlobsAtOnce - 1) / kBlobsAtOnce;
  (void)ForEachInParallel(groups, threads, [&](std::size_t group) -> Result<void> {
    const std::size_t end = std::min(blobs.size(), (group + 1) * kBlobsAtOnce);
    for (std::size_t i = group * kBlobsAtOnce; i < end; ++i) {
      const bool is_empty = offsets[i] == offsets[i + 1];
      found[i] = is_empty || !ReadBlobInFile(file, blobs[i], offsets[i], offsets[i + 1]).empty();
    }
    return {};
  });
  return {found.begin(), found.end()};
}

}  // namespace holdfast::repository
