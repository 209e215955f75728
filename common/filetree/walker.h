// Walks files with all their metadata and gives them away as items.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/stream/item.h"
#include "common/stream/manifest.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::filetree {

struct WalkOptions {
  // Absolute paths of files and directories; a directory stands for all below it. Order and overlap
  // do not matter. A root that is a symlink is saved as the symlink it is.
  std::vector<std::string> roots;
  // Shell patterns as of fnmatch(3): without `/` against the last component, with `/` against the
  // absolute path. An excluded directory takes all below it along.
  std::vector<std::string> exclude;
  bool one_file_system = false;  // do not cross mount points below a root
  bool skip_cache_dirs = false;  // directories with a valid CACHEDIR.TAG: only the tag is saved
  // Where the tree goes in the snapshot: "data" or "members/<node>/files".
  std::string prefix;
  // For reuse: unchanged files (size, mtime, ctime, inode) of this view are not read again.
  SnapshotView* previous = nullptr;
  // Whatever changed at or after this time is read again even if it looks unchanged: the cut of
  // `previous`, less the coarsest clock step of a file system.
  std::optional<UnixTime> previous_cut;
  // Roots that are not there: named in missing() (true) or an error (false).
  bool tolerate_missing_roots = true;
};

// Single pass, one thread. Directory ancestors of the roots are given too, with their attributes.
// Files are opened without following links; content is read lazily, and read again when it changed
// meanwhile, up to three times; then its Outcome says `changed`.
class Walker {
 public:
  virtual ~Walker() = default;
  static Result<std::unique_ptr<Walker>> Create(WalkOptions options);
  // Depth-first, siblings by ascending name bytes; nullopt at the end.
  virtual Result<std::optional<Item>> Next() = 0;
  // What could not be read, so far: unreadable, vanished, missing roots; paths are absolute.
  virtual const std::vector<Missing>& missing() const = 0;
  virtual const std::vector<std::string>& warnings() const = 0;
  // Bytes and items below the roots by a quick look beforehand; for progress.
  struct Totals {
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;
  };
  virtual Totals Estimate(std::uint64_t items_max) = 0;
};

// Attributes of one path, without following a symlink; as the walker would give them.
Result<Attributes> ReadAttributes(const std::string& path);

}  // namespace holdfast::filetree
