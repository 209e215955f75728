// part.json, at the top of every part that waits to be composed: everything the composer needs from
// the task. The snapshot does not contain it. Fields: docs/repository-format.md#parts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/repository/snapshot/part_writer.h"
#include "common/repository/store/repository.h"
#include "common/stream/manifest.h"

namespace holdfast::jobs {

inline constexpr std::string_view kPartRecordName = "part.json";

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

std::string EncodePartRecord(const PartRecord& record);
// kCorrupt if malformed, kUnsupported if a newer format wrote it.
Result<PartRecord> DecodePartRecord(std::string_view json);

// Reads it from the part's tree. kCorrupt if it is missing. REQUIRES: the index was loaded after
// the part was written.
Result<PartRecord> LoadPartRecord(repository::Repository& repository, const repository::Id& tree);

}  // namespace holdfast::jobs
