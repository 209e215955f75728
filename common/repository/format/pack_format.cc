#include "common/repository/format/pack_format.h"

#include <algorithm>
#include <limits>

#include "common/base/format.h"

namespace holdfast::repository {
namespace {

void AppendU32(Bytes& out, std::uint32_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

std::uint32_t ReadU32(ByteView bytes) {
  return static_cast<std::uint32_t>(bytes[0]) | static_cast<std::uint32_t>(bytes[1]) << 8 |
         static_cast<std::uint32_t>(bytes[2]) << 16 | static_cast<std::uint32_t>(bytes[3]) << 24;
}

constexpr std::uint8_t kCompressedBit = 2;

}  // namespace

Bytes EncodePackHeader(std::span<const PackContents::Blob> blobs) {
  Bytes header;
  header.reserve(blobs.size() * kPackEntryCompressedBytes);
  for (const PackContents::Blob& blob : blobs) {
    header.push_back(static_cast<std::uint8_t>(static_cast<unsigned>(blob.type) |
                                               (blob.compressed ? kCompressedBit : 0U)));
    AppendU32(header, blob.length);
    if (blob.compressed) AppendU32(header, blob.plain_length);
    header.insert(header.end(), blob.id.bytes.begin(), blob.id.bytes.end());
  }
  return header;
}

Result<std::vector<PackContents::Blob>> DecodePackHeader(ByteView plaintext) {
  std::vector<PackContents::Blob> blobs;
  std::uint64_t offset = 0;
  while (!plaintext.empty()) {
    const std::uint8_t type = plaintext[0];
    if (type > 3) {
      return Fail(ErrorCode::kCorrupt, fmt::format("blob of unknown type {} in the header", type));
    }
    PackContents::Blob blob;
    blob.type = static_cast<BlobType>(type & 1);
    blob.compressed = (type & kCompressedBit) != 0;
    const std::size_t size = blob.compressed ? kPackEntryCompressedBytes : kPackEntryBytes;
    if (plaintext.size() < size)
      return Fail(ErrorCode::kCorrupt, "the header ends in the middle of an entry");
    blob.length = ReadU32(plaintext.subspan(1));
    if (blob.length < crypto::kSealOverhead) {
      return Fail(ErrorCode::kCorrupt, "a blob in the header is too short");
    }
    blob.plain_length = blob.compressed
                            ? ReadU32(plaintext.subspan(5))
                            : blob.length - static_cast<std::uint32_t>(crypto::kSealOverhead);
    std::ranges::copy(plaintext.subspan(size - 32, 32), blob.id.bytes.begin());
    if (offset > std::numeric_limits<std::uint32_t>::max()) {
      return Fail(ErrorCode::kCorrupt, "the header's blobs exceed 4 GiB");
    }
    blob.offset = static_cast<std::uint32_t>(offset);
    offset += blob.length;
    blobs.push_back(blob);
    plaintext = plaintext.subspan(size);
  }
  return blobs;
}

Result<std::vector<PackContents::Blob>> LoadPackHeader(Storage& storage, crypto::Sealer& sealer,
                                                       const Id& pack, std::uint64_t file_bytes) {
  const FileName name{FileKind::kPack, pack.Hex()};
  if (file_bytes < ExpectedPackSize({})) return Fail(ErrorCode::kCorrupt, "too short for a pack");
  HF_ASSIGN(const Bytes tail,
            storage.Get(name, {file_bytes - kPackHeaderLengthBytes, kPackHeaderLengthBytes}));
  const std::uint64_t length = ReadU32(tail);
  if (length < crypto::kSealOverhead || length > file_bytes - kPackHeaderLengthBytes ||
      length + kPackHeaderLengthBytes > kPackHeaderBytesMax) {
    return Fail(ErrorCode::kCorrupt, fmt::format("header length {} is impossible", length));
  }
  HF_ASSIGN(const Bytes sealed,
            storage.Get(name, {file_bytes - kPackHeaderLengthBytes - length, length}));
  HF_ASSIGN(const Bytes plaintext, sealer.Open(sealed));
  HF_ASSIGN(std::vector<PackContents::Blob> blobs, DecodePackHeader(plaintext));
  if (ExpectedPackSize(blobs) != file_bytes) {
    return Fail(ErrorCode::kCorrupt, "the header's blobs do not fill the file");
  }
  return blobs;
}

std::uint64_t ExpectedPackSize(std::span<const PackContents::Blob> blobs) {
  std::uint64_t size = kPackHeaderLengthBytes + crypto::kSealOverhead;
  for (const PackContents::Blob& blob : blobs) {
    size += blob.length + (blob.compressed ? kPackEntryCompressedBytes : kPackEntryBytes);
  }
  return size;
}

}  // namespace holdfast::repository
