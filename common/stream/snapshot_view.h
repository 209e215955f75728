// A snapshot as those see it who know nothing of repositories: sources and the restore job.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/stream/attributes.h"
#include "common/stream/item.h"
#include "common/stream/manifest.h"
#include "common/stream/progress.h"

namespace holdfast {

struct ViewEntry {
  std::string name;  // last path component
  Attributes attributes;
};

struct ExtractOptions {
  // Paths relative to the snapshot's top; each with all below it. Empty: everything.
  std::vector<std::string> paths;
  // Strip this prefix (a directory of the snapshot) from what is written: with strip "data/etc" the
  // file "data/etc/hosts" becomes "<directory>/hosts".
  std::string strip;
  // Give files their owner by number (true, needs CAP_CHOWN) or leave them to the caller's own ids.
  bool restore_owner = true;
};

struct ExtractOutcome {
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> warnings;  // e.g. attributes that this file system cannot hold, per path
};

// One snapshot. Safe to use from several threads. Paths are relative to the top of the snapshot:
// what `restore --to` writes (for Holdfast's own snapshots what lies below "/<kind>/<name>").
class SnapshotView {
 public:
  virtual ~SnapshotView() = default;
  virtual const std::string& snapshot_id() const = 0;
  // Empty for snapshots that Holdfast did not make.
  virtual const std::optional<Manifest>& manifest() const = 0;
  // nullopt when there is no such path. Cheap for neighbours: the last directories stay decoded.
  virtual Result<std::optional<Attributes>> Stat(std::string_view path) = 0;
  // Entries of a directory by ascending name bytes; "" is the top. kNotFound, or kInvalidArgument
  // for what is no directory. Stops at the visitor's first error.
  virtual Result<void> List(std::string_view path,
                            const std::function<Result<void>(const ViewEntry&)>& visit) = 0;
  // Content of a file; every blob's hash is verified while reading (kCorrupt).
  virtual Result<std::unique_ptr<ByteReader>> Open(std::string_view path) = 0;
  // Writes into `directory`, which must exist; nothing outside of it can be touched whatever names
  // and links the snapshot holds. Existing files are replaced one by one, atomically. Contents,
  // names and attributes are durable on success.
  virtual Result<ExtractOutcome> Extract(const std::string& directory,
                                         const ExtractOptions& options, Progress& progress,
                                         std::stop_token stop) = 0;
};

}  // namespace holdfast
