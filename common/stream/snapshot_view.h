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

// What becomes of things that are there already. Directories are always entered.
enum class Overwrite : std::uint8_t {
  kAlways,     // what is not the same is replaced; contents are compared by their hashes
  kIfChanged,  // the same, but a file of the same size and mtime is not read
  kIfNewer,    // only what is older (mtime) than in the snapshot is replaced
  kNever,      // nothing is replaced
};

// One thing that an extraction would change.
struct ExtractChange {
  std::string_view path;  // relative to the directory that is written to
  bool is_directory = false;
  // '+' made, '-' removed, 'T' of another type, 'M' of other content, 'U' of other attributes.
  char change = '+';
};

struct ExtractOptions {
  // Paths relative to the snapshot's top; each with all below it. Empty: everything.
  std::vector<std::string> paths = {};
  // Strip this prefix (a directory of the snapshot) from what is written: with strip "data/etc" the
  // file "data/etc/hosts" becomes "<directory>/hosts".
  std::string strip = {};
  // Give files their owner by number (true, needs CAP_CHOWN) or leave them to the caller's own ids.
  bool restore_owner = true;
  // Only what one of `include` matches, or all but what one of `exclude` matches: patterns as
  // PathFilter has them, of paths from the snapshot's top. Not both.
  std::vector<std::string> include = {};
  std::vector<std::string> exclude = {};
  Overwrite overwrite = Overwrite::kAlways;
  // Removes, when all is written, what the directories that were entered have and the snapshot has
  // not, as far as the patterns select it; never the entry `spare` of the directory itself.
  bool remove_others = false;
  std::string spare = {};
  // Half a file that an earlier extraction left is finished or removed.
  bool resumes = false;
  // Changes nothing, and the directory need not be there: `on_change` is told what would be.
  bool dry_run = false;
  std::function<Result<void>(const ExtractChange&)> on_change = nullptr;
};

// Of a dry run: what would be.
struct ExtractOutcome {
  std::uint64_t items = 0;            // that are there now as the snapshot has them
  std::uint64_t unchanged = 0;        // of these, that were so before
  std::uint64_t skipped = 0;          // that were there and are left as they were, see Overwrite
  std::uint64_t removed = 0;          // see remove_others; a directory with all below it is one
  std::uint64_t bytes = 0;            // of content that was written
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
  // The same, null when there is no such path, with all that who saves the path again needs of it.
  virtual Result<std::unique_ptr<const SnapshotEntry>> Find(std::string_view path) = 0;
  // Entries of a directory by ascending name bytes; "" is the top. kNotFound, or kInvalidArgument
  // for what is no directory. Stops at the visitor's first error.
  virtual Result<void> List(std::string_view path,
                            const std::function<Result<void>(const ViewEntry&)>& visit) = 0;
  // Content of a file; every blob's hash is verified while reading (kCorrupt).
  virtual Result<std::unique_ptr<ByteReader>> Open(std::string_view path) = 0;
  // Writes into `directory`, which must exist; nothing outside of it can be touched whatever names
  // and links the snapshot and the directory hold. Files appear whole or not at all. kNoSpace
  // before the first is written when it can be foreseen. Contents, names and attributes are durable
  // on success.
  virtual Result<ExtractOutcome> Extract(const std::string& directory,
                                         const ExtractOptions& options, Progress& progress,
                                         std::stop_token stop) = 0;
};

}  // namespace holdfast
