// Makes a snapshot of parts: merges their trees, adds manifest.json and writes the snapshot file.
#pragma once

#include <functional>
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

struct ComposeOptions {
  std::string host;               // the node for local sources, the cluster's name for the others
  std::string path;               // "/<kind>/<name>"
  std::vector<std::string> tags;  // "run:<ulid>", "cluster:<name>", "kind:<kind>", "partial"
  std::optional<Id> parent;       // the previous snapshot of the same source
  std::string user;
  const Lock* lock = nullptr;  // as in BlobWriter::Begin
  WallTime begin;              // when the run began; becomes the snapshot's time
  std::string leave_out = {};  // a name at the top of the parts that the snapshot does not have
  // Given the snapshot file's exact bytes immediately before they are written. Its error is
  // Compose()'s, and nothing becomes visible. May be empty.
  std::function<Result<void>(ByteView sealed)> before_put = {};
};

// Merges the parts (directories of the same path are united; the same file in two parts is
// kInternal), and makes the snapshot visible by one atomic write, after every blob of it is
// durable. REQUIRES: the parts' writers have finished and their lock is still held.
Result<Id> Compose(Repository& repository, std::span<const Part> parts, const Manifest& manifest,
                   const ComposeOptions& options);

// Writes the bytes that `before_put` was given, once more: after a crash nobody knows whether they
// were written, and a snapshot's id is their hash.
Result<Id> PutSnapshot(Repository& repository, ByteView sealed, const Lock* lock);

// What those bytes say. kCorrupt when they are no snapshot file of this repository.
Result<SnapshotInfo> OpenSealedSnapshot(Repository& repository, ByteView sealed);

}  // namespace holdfast::repository
