// part.json, at the top of every part that waits to be composed: everything the composer needs from
// the task. The snapshot does not contain it. Fields: docs/repository-format.md#parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/repository/snapshot/part_writer.h"
#include "common/repository/store/repository.h"
#include "common/stream/manifest.h"

namespace holdfast::jobs {

inline constexpr std::string_view kPartRecordName = "part.json";

// Limits. Another node wrote the file, so its reader treats it as hostile.
inline constexpr std::uint64_t kPartRecordBytesMax = 64U << 20;
inline constexpr std::size_t kPartRecordValuesMax = 1'000'000;
inline constexpr std::size_t kPartRecordListMax = 10'000;  // missing, warnings, invalid
inline constexpr std::size_t kPartRecordTextMax = 4096;
inline constexpr std::uint64_t kPartRecordCountMax = std::uint64_t{1} << 53;
// The total of all files that one job reads.
inline constexpr std::uint64_t kPartRecordsBytesMax = 512U << 20;

// The source, run and node that a part belongs to.
struct PartOrigin {
  std::string kind;
  std::string name;
  std::string run;
  std::string node;
};

struct PartRecord {
  // A manifest of this part alone: `parts` has one entry, without the id of the tree, which
  // contains this file.
  Manifest manifest;
  bool has_data = false;    // the service's state, not only this member's own files
  bool is_partial = false;  // something is missing in the part, see `manifest.missing`
  // Counted before this file and the top tree are added. These still increase `blobs.bytes_packed`.
  repository::PartStatistics statistics;
  std::optional<repository::Id> parent;  // the previous snapshot that it was compared with
};

// Shortens texts and lists to the limits.
std::string EncodePartRecord(PartRecord record);
// kCorrupt if malformed or beyond the limits, kUnsupported if a newer format wrote it. Shortens
// texts that are too long.
Result<PartRecord> DecodePartRecord(std::string_view json);

// Reads part.json from the part's tree, and subtracts its size from `bytes_left`. kCorrupt if the
// file is missing or larger than `bytes_left`. REQUIRES: the index was loaded after the part was
// written.
Result<PartRecord> LoadPartRecord(repository::Repository& repository, const repository::Id& tree,
                                  std::uint64_t& bytes_left);

// kCorrupt if the record belongs to another source, run or node.
Result<void> CheckPartRecord(const PartRecord& record, const PartOrigin& expected);

}  // namespace holdfast::jobs
