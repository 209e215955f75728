// The words of restic's repository format version 2. Normative page: docs/repository-format.md.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
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
    std::memcpy(&value, id.bytes.data(), sizeof value);  // a hash already: any eight bytes do
    return value;
  }
};

// Of the plaintext. A file's chunks have at most 8 MiB; a directory is one blob however large it
// is.
inline constexpr std::uint64_t kBlobBytesMax = 1ULL << 30;

enum class BlobType : std::uint8_t { kData = 0, kTree = 1 };

// "data", "tree": as they stand in an index.
std::string_view BlobTypeName(BlobType type);

// Whether an error says something of the data, and not that they could not be had. Only what is
// damaged may be repaired, which is to say thrown away.
inline bool IsDamage(const Error& error) { return error.code() == ErrorCode::kCorrupt; }
// Whether it says that this one file or blob cannot be had as it is: it lies in an archive class,
// or is beyond what is read here. Others may be looked at all the same.
inline bool IsOutOfReach(const Error& error) { return error.code() == ErrorCode::kUnsupported; }
// Whether all but this one thing may be had.
inline bool IsOfOneAlone(const Error& error) { return IsDamage(error) || IsOutOfReach(error); }
// Whether what one pack does not give may still lie in another.
inline bool MayLieElsewhere(const Error& error) {
  return IsOfOneAlone(error) || error.code() == ErrorCode::kNotFound;
}

// How hard new blobs are compressed; what does not shrink is stored as it is.
enum class Compression : std::uint8_t { kOff, kFast, kAuto, kMax };

}  // namespace holdfast::repository
