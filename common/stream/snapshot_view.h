// A snapshot as sources and the restore job see it, without knowledge of repositories.
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
#include "common/stream/special_rights.h"

namespace holdfast {

struct ViewEntry {
  std::string name;  // last path component
  Attributes attributes;
};

// What an extraction does with existing files. Directories are always entered.
enum class Overwrite : std::uint8_t {
  kAlways,     // replace whatever differs; contents are compared by their hashes
  kIfChanged,  // the same, but do not read files of the same size and mtime
  kIfNewer,    // replace only what is older (mtime) than in the snapshot
  kNever,      // replace nothing
};

// A change that an extraction would make.
struct ExtractChange {
  std::string_view path;  // relative to the target directory
  bool is_directory = false;
  // '+' created, '-' removed, 'T' type differs, 'M' content differs, 'U' attributes differ.
  char change = '+';
};

struct ExtractOptions {
  // Paths relative to the snapshot's top, each with all below it. Empty: everything.
  std::vector<std::string> paths;
  // Strip this prefix (a directory of the snapshot) from target paths: with strip "data/etc" the
  // file "data/etc/hosts" becomes "<directory>/hosts".
  std::string strip;
  // Restore numeric owners and groups (needs CAP_CHOWN); otherwise files belong to the caller.
  bool restore_owner = true;
  // Extract only what one of `include` matches, or all but what one of `exclude` matches. Patterns
  // are those of PathFilter, for paths from the snapshot's top. Set at most one of the two.
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  Overwrite overwrite = Overwrite::kAlways;
  // At the end, remove from the visited directories what the snapshot does not have and the
  // patterns select; but never the entry `spare` of the target directory.
  bool delete_extraneous = false;
  std::string spare;
  // Finish or remove partly written files of an earlier extraction.
  bool resumes = false;
  // Change nothing, and report to `on_change` what would change. The directory need not exist.
  bool dry_run = false;
  std::function<Result<void>(const ExtractChange&)> on_change = nullptr;
  // The target directory, if the caller has opened it; its path is then used only in messages.
  // REQUIRES: not with `dry_run`.
  int opened = -1;
  // Leave out all other special rights and objects, and record them in `left_out`, which may be
  // null.
  SpecialRights special;
  LeftOutList* left_out = nullptr;
};

// For a dry run, what would happen.
struct ExtractOutcome {
  std::uint64_t items = 0;      // that are now as in the snapshot
  std::uint64_t unchanged = 0;  // of these, those that already were
  std::uint64_t skipped = 0;    // that exist and were left as they are, see Overwrite
  std::uint64_t removed = 0;    // see delete_extraneous; a directory with all its content is one
  std::uint64_t bytes = 0;      // of content that was written
  std::vector<std::string> warnings;  // per path, e.g. attributes that the file system cannot hold
};

// One snapshot. Safe to use from several threads. Paths are relative to what `restore --to` writes:
// the snapshot's root or, in Holdfast's own snapshots, "/<kind>/<name>".
class SnapshotView {
 public:
  virtual ~SnapshotView() = default;
  virtual const std::string& snapshot_id() const = 0;
  // Empty for snapshots that Holdfast did not make.
  virtual const std::optional<Manifest>& manifest() const = 0;
  // nullopt if the path does not exist. Cheap for neighbours: the last directories stay decoded.
  virtual Result<std::optional<Attributes>> Stat(std::string_view path) = 0;
  // Like Stat(), but with all that a backup needs to reuse the entry; null if it does not exist.
  virtual Result<std::unique_ptr<const SnapshotEntry>> Find(std::string_view path) = 0;
  // Visits the entries of a directory by ascending name bytes; "" is the top. kNotFound;
  // kInvalidArgument if it is not a directory. Stops at the visitor's first error.
  virtual Result<void> List(std::string_view path,
                            const std::function<Result<void>(const ViewEntry&)>& visit) = 0;
  // The content of a file; every blob's hash is verified while reading (kCorrupt).
  virtual Result<std::unique_ptr<ByteReader>> Open(std::string_view path) = 0;
  // Extracts into `directory`, which must exist. Nothing outside of it is touched, whatever names
  // and links the snapshot and the directory have. Files appear whole or not at all. kNoSpace
  // before anything is written, if that can be foreseen. On success, contents, names and attributes
  // are durable.
  virtual Result<ExtractOutcome> Extract(const std::string& directory,
                                         const ExtractOptions& options, Progress& progress,
                                         std::stop_token stop) = 0;
};

}  // namespace holdfast
