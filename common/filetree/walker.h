// Walks files with all their metadata and gives them away as items.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/stream/item.h"
#include "common/stream/manifest.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::filetree {

// The coarsest clock step of a file system that one is likely to meet (FAT counts in two seconds).
inline constexpr std::int64_t kClockStepSeconds = 2;

struct WalkOptions {
  // Absolute paths of files and directories; a directory stands for all below it. Order and overlap
  // do not matter. A root that is a symlink is saved as the symlink it is. Symlinks on the way to a
  // root are followed: the root is saved where it really lies, the links are saved too, and a
  // warning says so.
  std::vector<std::string> roots;
  // Shell patterns as of fnmatch(3): without `/` against the last component, with `/` against the
  // absolute path, as given and as it really is. An excluded directory takes all below it along,
  // but for what is a root itself: roots are never excluded.
  std::vector<std::string> exclude;
  bool one_file_system = false;  // do not cross mount points below a root
  // Of directories with a valid CACHEDIR.TAG below a root only themselves and the tag are saved.
  bool skip_cache_dirs = false;
  // Where the tree goes in the snapshot: "data" or "members/<node>/files".
  std::string prefix;
  // For reuse: unchanged files (size, mtime, ctime, inode) of this view are not read again.
  SnapshotView* previous = nullptr;
  // The cut of `previous`. Whatever changed after it, or less than kClockStepSeconds before, is
  // read again even if it looks unchanged. Without it nothing is reused.
  std::optional<UnixTime> previous_cut;
  // Give files without content and do not open them: to look at what is there.
  bool metadata_only = false;
  // Roots that are not there: named in missing() (true) or an error (false).
  bool tolerate_missing_roots = true;
};

// Single pass, one thread; readers may be used on others. Directory ancestors of the roots are
// given too, with their attributes; those of "/" become the prefix's. Files are opened by Next()
// without following links, so that what vanishes later is still read; their items are not
// `required`. Content that changes meanwhile: file_reader.h. Memory is bounded by the largest
// directory times the depth; at most kOpenDirectoriesMax directories are open at once.
class Walker {
 public:
  virtual ~Walker() = default;
  static Result<std::unique_ptr<Walker>> Create(WalkOptions options);
  // Depth-first, siblings by ascending name bytes; nullopt at the end.
  virtual Result<std::optional<Item>> Next() = 0;
  // What could not be read, so far: unreadable, vanished, missing roots; paths are absolute. At
  // most kMissingMax are named, and then how many more there are.
  virtual const std::vector<Missing>& missing() const = 0;
  virtual const std::vector<std::string>& warnings() const = 0;
  // A root as it is saved.
  struct Root {
    std::string given;  // as in the options, without trailing slashes
    std::string path;   // absolute and real: no component but the last is a symlink
    bool is_there = false;
  };
  virtual const std::vector<Root>& roots() const = 0;
  // Bytes and items below the roots by a quick look beforehand, which ends after about `items_max`
  // items; for progress. Does not disturb Next(); what it cannot read it leaves out.
  struct Totals {
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;
    bool is_whole = false;  // there are no more items
  };
  virtual Totals Estimate(std::uint64_t items_max) const = 0;
  // The same for a walk with these options, until `stop`.
  static Totals Count(WalkOptions options, std::uint64_t items_max, const std::stop_token& stop);
};

inline constexpr std::size_t kOpenDirectoriesMax = 64;
inline constexpr std::size_t kMissingMax = 10'000;

// Whether the open directory has a valid CACHEDIR.TAG.
bool HasCacheTag(int directory);

// Where an absolute path really lies: symlinks among its directories are followed, the last
// component is not; `links` (may be null) gets the symlinks that were passed. What is not there is
// taken as written. kInvalidArgument when the path is not absolute, kUnsupported for too many
// links.
Result<std::string> ResolveParents(const std::string& path, std::vector<std::string>* links);

// Attributes of one path, without following a symlink; as the walker would give them.
Result<Attributes> ReadAttributes(const std::string& path);

}  // namespace holdfast::filetree
