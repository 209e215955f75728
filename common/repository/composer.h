// Makes a snapshot of parts: merges their trees, adds manifest.json and writes the snapshot file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/repository/part_writer.h"
#include "common/repository/repository.h"
#include "common/repository/snapshot_reader.h"
#include "common/stream/manifest.h"

namespace holdfast::repository {

// What becomes of a file that several parts have.
enum class SameFile : std::uint8_t {
  kRefuse,
  // The directory it lies in is taken as a whole, with all below it, from the first part that has
  // that directory. Not at the top; and no part may have a directory in it which that one lacks.
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
  std::string leave_out = {};  // a name at the top of the parts that the snapshot does not have
  SameFile same_file = SameFile::kRefuse;
};

// Merges the parts (directories of the same path are united; the same file in two parts is
// kInternal, unless `same_file` says what becomes of it), and makes the snapshot visible by one
// atomic write, after every blob of it is durable. REQUIRES: the parts' writers have finished and
// their lock is still held.
Result<Id> Compose(Repository& repository, std::span<const Part> parts, const Manifest& manifest,
                   const ComposeOptions& options);

// The same in two halves, for who must write exactly the same file again after a crash, since a
// snapshot's id is the hash of its bytes. The first makes everything durable but the snapshot file,
// whose bytes it returns; the second writes them.
Result<Bytes> ComposeSealed(Repository& repository, std::span<const Part> parts,
                            const Manifest& manifest, const ComposeOptions& options);
// kTimedOut, and nothing is written, when the lock was lost or somebody has removed it.
// `permit` is asked before each try as well.
Result<Id> PutSnapshot(Repository& repository, ByteView sealed, const Lock* lock,
                       const Permit& permit = {});

// What those bytes say. kCorrupt when they are no snapshot file of this repository.
Result<SnapshotInfo> OpenSealedSnapshot(Repository& repository, ByteView sealed);

}  // namespace holdfast::repository
