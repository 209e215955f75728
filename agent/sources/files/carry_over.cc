#include "agent/sources/files/carry_over.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/sources/files/restore_plan.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/filetree/beneath.h"
#include "common/filetree/file_reader.h"
#include "common/filetree/metadata.h"
#include "common/filetree/tree_writer.h"
#include "common/filetree/walker.h"
#include "common/io/fd.h"

namespace holdfast::files {
namespace {

constexpr std::string_view kCacheTag = "CACHEDIR.TAG";

bool IsCacheDirectory(const std::string& path) {
  Fd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  return directory.is_open() && filetree::HasCacheTag(directory.get());
}

}  // namespace

// One pass over a live directory.
class CarryOver::Pass {
 public:
  Pass(CarryOver& owner, const Directory& from, const Directory& to, const std::string& path)
      : owner_(owner), from_(from), to_(to), path_(path) {}

  Result<void> Run(std::stop_token stop) {
    HF_ASSIGN(writer_, filetree::TreeWriter::Open(to_.path, {.opened = to_.fd}));
    // The walker takes a path, which the owner of a directory above can redirect at any time. So
    // only the names that it returns are used.
    HF_ASSIGN(const std::string real,
              filetree::ReadLinkTarget(AT_FDCWD, filetree::DescriptorPath(from_.fd), from_.path));
    filetree::WalkOptions options;
    options.roots = {real};
    options.metadata_only = true;
    HF_ASSIGN(auto walker, filetree::Walker::Create(std::move(options)));
    const std::string top = real.substr(1) + "/";
    for (;;) {
      HF_TRY(CheckStop(stop));
      HF_ASSIGN(std::optional<Item> item, walker->Next());
      if (!item) break;
      if (item->path.starts_with(top)) HF_TRY(Look(item->path.substr(top.size()), *item));
    }
    return writer_->Finish();
  }

 private:
  // `relative` is the path below the top directory.
  Result<void> Look(const std::string& relative, const Item& item) {
    const std::string live = path_ + "/" + relative;
    HF_ASSIGN(std::optional<Attributes> saved, owner_.snapshot_.Stat(SnapshotPath(live)));
    if (saved) return {};
    HF_ASSIGN(const bool is_left_out,
              owner_.IsLeftOut(filetree::ProcPath(from_.fd, "."), path_, live));
    if (!is_left_out) return {};
    std::size_t hash = std::hash<std::string>()(live);
    if (owner_.brought_.contains(hash)) return {};  // if it is gone, the service removed it
    HF_TRY(PrepareParents(relative));
    HF_TRY(BringOne(relative, item.attributes.type));
    owner_.brought_.insert(hash);
    ++owner_.items_;
    return {};
  }

  // A new entry changes the times of its directory, so the directory's attributes are set again. A
  // directory that is not in the snapshot is created for the left-out entries in it.
  Result<void> PrepareParents(const std::string& relative) {
    std::string parent(PathAbove(relative));
    if (parent.empty() || parent == last_parent_) return {};
    last_parent_ = parent;
    for (std::size_t at = 0; at < parent.size(); ++at) {
      at = std::min(parent.find('/', at), parent.size());
      std::string above = parent.substr(0, at);
      HF_ASSIGN(std::optional<Attributes> saved,
                owner_.snapshot_.Stat(SnapshotPath(path_ + "/" + above)));
      if (saved && (at < parent.size() || saved->type != NodeType::kDirectory)) continue;
      if (!saved) {
        HF_ASSIGN(saved, LiveDirectory(above));
      }
      HF_TRY(writer_->AddDirectory(above, *saved));
    }
    return {};
  }

  Result<Attributes> LiveDirectory(const std::string& relative) const {
    HF_ASSIGN(const Fd fd, filetree::OpenDirectoryBeneath(from_.fd, relative, Shown(relative)));
    return filetree::ReadAttributesAt(fd.get(), ".", Shown(relative));
  }

  Result<void> BringOne(const std::string& relative, NodeType type) {
    if (type == NodeType::kDirectory) {
      HF_ASSIGN(const Attributes attributes, LiveDirectory(relative));
      return writer_->AddDirectory(relative, attributes);
    }
    const std::string shown = Shown(relative);
    std::string_view parent = PathAbove(relative);
    std::string name(BaseName(relative));
    HF_ASSIGN(Fd from, filetree::OpenDirectoryBeneath(from_.fd, parent, shown));
    HF_ASSIGN(Fd to, filetree::OpenDirectoryBeneath(to_.fd, parent, to_.path + "/" + relative));
    if (linkat(from.get(), name.c_str(), to.get(), name.c_str(), 0) == 0) return {};
    if (errno == EEXIST || errno == ENOENT) return {};  // exists, or has vanished
    HF_ASSIGN(const Attributes attributes, filetree::ReadAttributesAt(from.get(), name, shown));
    if (attributes.type != NodeType::kFile) return writer_->AddOther(relative, attributes);
    HF_ASSIGN(Fd file, OpenFileAt(from.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, shown));
    return Copy(relative, attributes, std::move(file));
  }

  // The fallback where hard links are impossible: across file systems, or on one without them.
  Result<void> Copy(const std::string& relative, const Attributes& attributes, Fd file) {
    struct stat status {};
    if (fstat(file.get(), &status) != 0) return Fail(ErrnoError(errno, "stat " + Quote(relative)));
    // By now, the name may refer to another file than the one whose attributes were read.
    if (status.st_ino != attributes.inode || status.st_dev != attributes.device_id) return {};
    Attributes own = attributes;
    own.links = 1;
    own.size = static_cast<std::uint64_t>(status.st_size);
    auto reader = filetree::ReadLiveFile(std::move(file), own, Shown(relative));
    Result<void> copied = writer_->AddFile(relative, own, *reader);
    if (copied) return {};
    return Fail(std::move(copied).error().While("copy what the snapshot leaves out"));
  }

  std::string Shown(const std::string& relative) const { return from_.path + "/" + relative; }

  CarryOver& owner_;
  const Directory from_;
  const Directory to_;
  const std::string& path_;
  std::unique_ptr<filetree::TreeWriter> writer_;
  std::string last_parent_;
};

CarryOver::CarryOver(const Settings& settings, UntrustedView& snapshot, bool keep_all)
    : snapshot_(snapshot), keep_all_(keep_all) {
  const Manifest& manifest = *snapshot.manifest();
  std::vector<std::string> patterns = settings.exclude;
  for (std::string& pattern : manifest.DetailsOf(kExcludeDetail))
    patterns.push_back(std::move(pattern));
  exclude_ = filetree::ExcludeList(patterns);
  const std::vector<std::string> limits = manifest.DetailsOf(kLimitsDetail);
  skips_caches_ = settings.skip_cache_dirs ||
                  std::ranges::find(limits, std::string("skip_cache_dirs")) != limits.end();
  for (std::string& root : manifest.DetailsOf(kRootsDetail)) roots_.insert(std::move(root));
  for (const Missing& missing : manifest.missing) missing_.insert(missing.what);
  is_needed_ = keep_all_ || !exclude_.empty() || skips_caches_ || !missing_.empty();
}

// Decided by the nearest of `at` and its parent directories that is a root or is left out.
Result<bool> CarryOver::IsLeftOut(const std::string& from, const std::string& path,
                                  const std::string& at) const {
  if (keep_all_) return true;
  for (std::string one = at; one.size() > path.size(); one = std::string(PathAbove(one))) {
    HF_ASSIGN(const bool is_hidden, snapshot_.Hides(SnapshotPath(one)));
    if (is_hidden) return true;
    if (roots_.contains(one)) return false;
    if (missing_.contains(one) || exclude_.MatchesName(std::string(BaseName(one))) ||
        exclude_.MatchesPath(one)) {
      return true;
    }
    std::string above(PathAbove(one));
    if (skips_caches_ && !roots_.contains(above) && BaseName(one) != kCacheTag &&
        IsCacheDirectory(from + above.substr(path.size()))) {
      return true;
    }
  }
  return false;
}

Result<void> CarryOver::Bring(const Directory& from, const Directory& to, const std::string& path,
                              std::stop_token stop) {
  return Pass(*this, from, to, path).Run(std::move(stop));
}

}  // namespace holdfast::files
