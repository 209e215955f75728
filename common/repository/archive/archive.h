// A snapshot as one file: a zstd-compressed tar archive that any tar unpacks, and that an import
// turns back into the same snapshot. Not encrypted. Format: docs/repository-format.md#archive.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/repository/store/lock.h"
#include "common/repository/store/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

// The content of the archive's first file, which describes the archive.
struct ArchiveMeta {
  SnapshotInfo snapshot;
  std::string snapshot_json;  // as stored in the repository that it comes from
};
// `position` is the point at which the snapshot is consistent.
std::string EncodeArchiveMeta(const ArchiveMeta& meta,
                              const std::map<std::string, std::string>& position, WallTime now);
// kUnsupported for another format or a newer version; kCorrupt if it is malformed.
Result<ArchiveMeta> DecodeArchiveMeta(std::string_view json);

struct ExportReport {
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;  // of content; hard links count once
  std::uint64_t bytes_written = 0;
};
// Passes the archive to `write` piece by piece, and verifies every blob. kCorrupt names the path
// whose content is lost. Memory: about 16 MiB of content, the sealed bytes being read, and the path
// of each file with several names. REQUIRES: the index was loaded after the snapshot was listed.
Result<ExportReport> ExportSnapshot(Repository& repository, const SnapshotInfo& snapshot,
                                    const std::function<Result<void>(ByteView)>& write,
                                    Progress& progress, std::stop_token stop);

struct ImportOptions {
  const Lock* lock = nullptr;  // checked before each write; may be null
};
struct ImportReport {
  SnapshotInfo snapshot;     // as in the archive
  bool was_present = false;  // FindCopy() found it: the archive was read, but no snapshot made
  Id copy;                   // its id in this repository
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;  // of content; hard links count once
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_stored = 0;
};
// Reads an archive and makes it a snapshot of the repository. The snapshot becomes visible only
// after the whole archive was read and its tree has the id that the archive names, unless files
// without blob sizes were cut again. `read` fills up to the buffer's size and returns the number of
// bytes; 0 at the end. kCorrupt: the archive is torn, altered or malicious; kUnsupported: export
// did not write it. After an error, the repository has at most garbage that a prune removes.
// Memory: as for a backup, plus 32 bytes per blob of files with several names. REQUIRES: the index
// was loaded after `present`, the repository's snapshots, were listed.
Result<ImportReport> ImportSnapshot(
    Repository& repository, const std::function<Result<std::size_t>(std::span<std::uint8_t>)>& read,
    const std::vector<SnapshotInfo>& present, const ImportOptions& options, Progress& progress,
    std::stop_token stop);

}  // namespace holdfast::repository
