// Makes a snapshot from parts: merges their trees, adds manifest.json and writes the snapshot file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/repository/snapshot/part_writer.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/repository/store/repository.h"
#include "common/stream/manifest.h"

namespace holdfast::repository {

// What to do with a file that several parts have.
enum class SameFile : std::uint8_t {
  kRefuse,
  // Takes the whole directory that contains the file from the first part that has the directory.
  // Fails at the top, and if another part has a subdirectory in it that the first does not have.
  kTakeFirst,
};

struct ComposeOptions {
  std::string host;               // the node for local sources, the cluster's name for the others
  std::string path;               // "/<kind>/<name>"
  std::vector<std::string> tags;  // "run:<ulid>", "cluster:<name>", "kind:<kind>", "partial"
  std::optional<Id> parent;       // the previous snapshot of the same source
  std::string user;
  const Lock* lock = nullptr;  // as in BlobWriter::Begin
  WallTime begin;              // when the run began; becomes the snapshot's time
  std::string leave_out;       // an entry at the top of the parts to leave out
  SameFile same_file = SameFile::kRefuse;
};

// Merges the parts, and makes the snapshot visible by one atomic write, after all its blobs are
// durable. Directories of the same path are united; the same file in two parts is kInternal, unless
// `same_file` allows it. REQUIRES: the parts' writers have finished and their lock is still held.
Result<Id> Compose(Repository& repository, std::span<const Part> parts, const Manifest& manifest,
                   const ComposeOptions& options);

// Compose() in two steps, for callers that must write exactly the same file again after a crash, as
// a snapshot's id is the hash of its bytes. ComposeSealed() makes everything durable except the
// snapshot file, and returns its bytes. PutSnapshot() writes them, and only that makes the snapshot
// visible.
Result<Bytes> ComposeSealed(Repository& repository, std::span<const Part> parts,
                            const Manifest& manifest, const ComposeOptions& options);
// kTimedOut, with nothing written, if the lock was lost or removed. `permit` is also checked before
// each attempt.
Result<Id> PutSnapshot(SealedFiles& files, ByteView sealed, const Lock* lock,
                       const Permit& permit = {});

// Decodes these bytes. kCorrupt if they are not a snapshot file of this repository.
Result<SnapshotInfo> OpenSealedSnapshot(SealedFiles& files, ByteView sealed);

}  // namespace holdfast::repository
