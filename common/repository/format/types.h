// Basic types of restic's repository format, version 2. Specification: docs/repository-format.md.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::repository {

// SHA-256 of a blob's plaintext or of a file's bytes.
struct Id {
  std::array<std::uint8_t, 32> bytes{};
  auto operator<=>(const Id&) const = default;
  std::string Hex() const { return HexEncode(bytes); }
  bool IsZero() const { return *this == Id{}; }
};
// kInvalidArgument unless `hex` is 64 hexadecimal digits.
Result<Id> ParseId(std::string_view hex);

struct IdHash {
  std::size_t operator()(const Id& id) const {
    std::size_t value;
    std::memcpy(&value, id.bytes.data(), sizeof value);  // it is a hash, so any eight bytes do
    return value;
  }
};

// Limit for the plaintext. A file's chunks have at most 8 MiB, but a directory is always one blob.
inline constexpr std::uint64_t kBlobBytesMax = 1ULL << 30;

enum class BlobType : std::uint8_t { kData = 0, kTree = 1 };

// "data" or "tree", as in index files.
std::string_view BlobTypeName(BlobType type);

// Whether the error means that data is damaged, and not merely unavailable. Only damaged data may
// be repaired, that is, dropped.
inline bool IsDamage(const Error& error) { return error.code() == ErrorCode::kCorrupt; }
// Whether the error means that this one file or blob cannot be read now: it is in an archive
// storage class, or exceeds a limit of this program. Others may still be readable.
inline bool IsInaccessible(const Error& error) { return error.code() == ErrorCode::kUnsupported; }
// Whether the error is about this one object only.
inline bool IsSingleObjectError(const Error& error) {
  return IsDamage(error) || IsInaccessible(error);
}
// Whether, after this error, another pack may have an intact copy.
inline bool MayHaveOtherCopy(const Error& error) {
  return IsSingleObjectError(error) || error.code() == ErrorCode::kNotFound;
}

// How hard new blobs are compressed. What does not shrink is stored uncompressed.
enum class Compression : std::uint8_t { kOff, kFast, kAuto, kMax };

}  // namespace holdfast::repository
