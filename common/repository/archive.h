// One snapshot as one file: a tar archive, compressed by zstd, that every tar unpacks, and from
// which the same snapshot comes back. Not encrypted. Format: docs/repository-format.md#archive.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/repository/lock.h"
#include "common/repository/repository.h"
#include "common/repository/snapshot_reader.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

// The archive's first file: what it is, for people and programs.
struct ArchiveMeta {
  SnapshotInfo snapshot;
  std::string snapshot_json;  // as it stands in the repository that it comes from
};
// `position` is where the snapshot is consistent.
std::string EncodeArchiveMeta(const ArchiveMeta& meta,
                              const std::map<std::string, std::string>& position, WallTime now);
// kUnsupported for a newer format or what is none, kCorrupt.
Result<ArchiveMeta> DecodeArchiveMeta(std::string_view json);

struct ExportReport {
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;  // of content, hard links once
  std::uint64_t bytes_written = 0;
};
// Gives the archive away piece by piece. Every blob is compared with its id. kCorrupt names the
// path that something is lost of. Memory: some 16 MiB of content, what is read at once, and the
// path of each file with several names. REQUIRES: the index was loaded after the snapshot was
// listed.
Result<ExportReport> ExportSnapshot(Repository& repository, const SnapshotInfo& snapshot,
                                    const std::function<Result<void>(ByteView)>& write,
                                    Progress& progress, std::stop_token stop);

struct ImportOptions {
  const Lock* lock = nullptr;  // asked before each write. May be null
};
struct ImportReport {
  SnapshotInfo snapshot;     // as the archive has it
  bool was_present = false;  // FindCopy() found it: the archive was read, and no snapshot made
  Id copy;                   // its id here
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;  // of content, hard links once
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_stored = 0;
};
// Reads an archive and makes it a snapshot of the repository, visible only when all of it was read
// and its tree is the one that the archive names. `read` gives up to as many bytes as there is room
// for, 0 at the end. kCorrupt for what is torn, altered or malicious, kUnsupported for what export
// did not write: then there is nothing but garbage for a prune. Memory: as of a backup, and 32
// bytes per blob of files with several names. REQUIRES: the index was loaded after `present`, the
// repository's snapshots, were listed.
Result<ImportReport> ImportSnapshot(
    Repository& repository, const std::function<Result<std::size_t>(std::span<std::uint8_t>)>& read,
    const std::vector<SnapshotInfo>& present, const ImportOptions& options, Progress& progress,
    std::stop_token stop);

}  // namespace holdfast::repository
