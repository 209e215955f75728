// part.json, at the top of every part that waits for others: all that its task knows of it, for
// whoever composes the snapshot. The snapshot itself does not have it. Fields:
// docs/repository-format.md#parts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/repository/part_writer.h"
#include "common/repository/repository.h"
#include "common/stream/manifest.h"

namespace holdfast::jobs {

inline constexpr std::string_view kPartRecordName = "part.json";

struct PartRecord {
  // As a manifest of this part alone: `parts` has one entry, without its tree, which holds this.
  Manifest manifest;
  bool has_data = false;    // the service's state, and not only what just this member has
  bool is_partial = false;  // something of it is not in the part; `manifest.missing` says what
  // As they stood before this file and the top tree were added. Those of `blobs.bytes_packed` grow
  // after it.
  repository::PartStatistics statistics;
  std::optional<repository::Id> parent;  // the snapshot that it was compared with
};

std::string EncodePartRecord(const PartRecord& record);
// kCorrupt when it is none, kUnsupported when a newer format wrote it.
Result<PartRecord> DecodePartRecord(std::string_view json);

// Reads it from the part's tree. kCorrupt when there is none. REQUIRES: the index was loaded after
// the part was written.
Result<PartRecord> LoadPartRecord(repository::Repository& repository, const repository::Id& tree);

}  // namespace holdfast::jobs
