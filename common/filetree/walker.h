// Walks files with all their metadata and returns them as items.
//
// This room reads and writes file trees with all metadata: walker.h reads, tree_writer.h writes
// safely below a directory, swap_set.h exchanges a live tree with a staged one. Paths are
// untrusted, so writers never follow a symlink (beneath.h). The room knows no repository: it
// produces and consumes items.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/filetree/roots.h"
#include "common/stream/item.h"
#include "common/stream/manifest.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::filetree {

// The coarsest common time resolution of a file system (FAT: two seconds).
inline constexpr std::int64_t kClockStepSeconds = 2;

struct WalkOptions {
  // Absolute paths of files and directories; a directory includes everything below it. Order and
  // overlap do not matter. A root that is a symlink is saved as a symlink. Symlinks in the path to
  // a root are followed: the root is saved under its real path, the links are saved too, and there
  // is a warning.
  std::vector<std::string> roots;
  // Shell patterns of fnmatch(3). Without `/` they match the last component; with `/` the absolute
  // path, as given or real. An excluded directory excludes everything below it except roots, which
  // are never excluded.
  std::vector<std::string> exclude;
  bool one_file_system = false;  // do not cross mount points below a root
  // Of directories below a root with a valid CACHEDIR.TAG, save only the directory and the tag.
  bool skip_cache_dirs = false;
  // The path of the tree in the snapshot: "data" or "members/<node>/files".
  std::string prefix;
  // Files that are unchanged since this snapshot (size, mtime, ctime, inode) are not read again.
  SnapshotView* previous = nullptr;
  // The cut of `previous`. Files that changed after it, or less than kClockStepSeconds before it,
  // are read again even if they look unchanged. Without a cut nothing is reused.
  std::optional<UnixTime> previous_cut;
  // Sets both for `snapshot`, which may be null. The cut is that of `node`'s files, see
  // Manifest::CutTimeOf(); without a node it is that of the whole snapshot.
  void ReuseFrom(SnapshotView* snapshot, std::string_view node = "");
  // Do not open files; return them without content.
  bool metadata_only = false;
  // Roots that do not exist: listed in missing() (true) or an error (false).
  bool tolerate_missing_roots = true;
};

// Single pass, one thread; readers may be used on other threads. Ancestor directories of the roots
// are returned too, with their attributes; those of "/" become the prefix's. Next() opens files
// without following links, so that a file deleted later is still read; the items are not
// `required`. For content that changes during the read see file_reader.h. Memory is bounded by the
// largest directory times the depth. At most kOpenDirectoriesMax directories are open at once.
class Walker {
 public:
  virtual ~Walker() = default;
  static Result<std::unique_ptr<Walker>> Create(WalkOptions options);
  // Depth-first, siblings in ascending order of name bytes; nullopt at the end.
  virtual Result<std::optional<Item>> Next() = 0;
  // What could not be read so far: unreadable, vanished, missing roots. Paths are absolute. Lists
  // at most kMissingMax, then the number of the others.
  virtual const std::vector<Missing>& missing() const = 0;
  virtual const std::vector<std::string>& warnings() const = 0;
  // Appends missing() to the manifest and warnings() to `all_warnings`.
  void AppendTo(Manifest& manifest, std::vector<std::string>& all_warnings) const;
  virtual const std::vector<Root>& roots() const = 0;
  // Items and bytes below the roots, counted by a quick scan that ends after about `items_max`
  // items; for progress. Does not affect Next(). Skips what cannot be read.
  struct Totals {
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;
    bool is_whole = false;  // there are no more items
  };
  virtual Totals Estimate(std::uint64_t items_max) const = 0;
  // The same for a walk with these options; ends early on `stop`.
  static Totals Count(WalkOptions options, std::uint64_t items_max, const std::stop_token& stop);
};

// How many items a backup lets Estimate() count.
inline constexpr std::uint64_t kEstimateItemsMax = 100'000;
inline constexpr std::size_t kOpenDirectoriesMax = 64;
inline constexpr std::size_t kMissingMax = 10'000;

// Whether the open directory has a valid CACHEDIR.TAG.
bool HasCacheTag(int directory);

// Attributes of one path as the walker returns them, without following a symlink.
Result<Attributes> ReadAttributes(const std::string& path);
// The same for an entry of an open directory; "." is the directory itself. Errors name `shown`.
Result<Attributes> ReadAttributesAt(int directory, const std::string& name,
                                    const std::string& shown);

}  // namespace holdfast::filetree
