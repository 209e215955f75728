#include "agent/sources/files/preview.h"

#include <sys/stat.h>

#include <cerrno>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/filetree/walker.h"

namespace holdfast::files {
namespace {

std::string_view TypeText(NodeType type) {
  switch (type) {
    case NodeType::kFile:
      return "file";
    case NodeType::kDirectory:
      return "directory";
    case NodeType::kSymlink:
      return "symlink";
    case NodeType::kBlockDevice:
    case NodeType::kCharDevice:
      return "device";
    case NodeType::kFifo:
      return "fifo";
    case NodeType::kSocket:
      return "socket";
  }
  return "file";
}

// How the live entry differs from the saved one; empty if it does not. A directory's mtime only
// shows that entries were added or removed, and those are reported themselves.
std::string Difference(const Attributes& live, const Attributes& saved) {
  if (live.type != saved.type) return fmt::format("a {}", TypeText(live.type));
  if (live.type == NodeType::kFile && (live.size != saved.size || live.mtime != saved.mtime)) {
    return "different content or time";
  }
  if (live.type == NodeType::kSymlink && live.link_target != saved.link_target) {
    return "another target";
  }
  const bool is_device = live.type == NodeType::kBlockDevice || live.type == NodeType::kCharDevice;
  if (is_device && live.device != saved.device) return "another device";
  const bool has_mode = live.type != NodeType::kSymlink;
  const bool has_same_rights = live.uid == saved.uid && live.gid == saved.gid &&
                               (!has_mode || live.mode == saved.mode) &&
                               live.extended == saved.extended;
  return has_same_rights ? "" : "different owner or mode";
}

Result<bool> Exists(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return Fail(ErrnoError(errno, "stat " + Quote(path)));
}

class Preview {
 public:
  Preview(UntrustedView& snapshot, const CarryOver& carry_over, const ChangeVisitor& visit,
          std::stop_token stop)
      : snapshot_(snapshot), carry_over_(carry_over), visit_(visit), stop_(std::move(stop)) {}

  Result<void> Look(const Target& target) {
    if (target.is_there) HF_TRY(LookAtLive(target));
    for (const std::string& root : target.roots) HF_TRY(LookAtSaved(target, root));
    return {};
  }
  const PreviewCounts& counts() const { return counts_; }

 private:
  struct Removed {
    std::string path;
    Attributes attributes;
  };

  // What exists now is replaced, removed or kept.
  Result<void> LookAtLive(const Target& target) {
    filetree::WalkOptions options;
    options.roots = {target.path};
    options.metadata_only = true;
    HF_ASSIGN(auto walker, filetree::Walker::Create(std::move(options)));
    for (;;) {
      HF_TRY(CheckStop(stop_));
      HF_ASSIGN(std::optional<Item> item, walker->Next());
      if (!item) break;
      const std::string path = "/" + item->path;
      if (!RestoreScope::IsWithin(path, target.path)) continue;  // a directory above
      HF_TRY(RemoveAllBut(path));
      HF_TRY(LookAtEntry(target, path, item->attributes));
    }
    return RemoveAllBut("");
  }

  Result<void> LookAtEntry(const Target& target, const std::string& path, const Attributes& live) {
    HF_ASSIGN(std::optional<Attributes> saved, snapshot_.Stat(SnapshotPath(path)));
    if (saved) {
      const std::string difference = Difference(live, *saved);
      if (!difference.empty()) return Tell(path, *saved, difference, "replaced");
      ++counts_.unchanged;
      return {};
    }
    HF_ASSIGN(const bool is_kept, carry_over_.Keeps(target.path, path));
    if (is_kept) {
      ++counts_.kept;
      removed_.clear();  // the directories above it stay
      return {};
    }
    if (live.type != NodeType::kDirectory)
      return Tell(path, live, "not in the snapshot", "removed");
    removed_.push_back({path, live});
    return {};
  }

  // A directory is removed if nothing in it is kept, which is known once the walk has left it.
  Result<void> RemoveAllBut(const std::string& path) {
    while (!removed_.empty() && !RestoreScope::IsWithin(path, removed_.back().path)) {
      const Removed gone = std::move(removed_.back());
      removed_.pop_back();
      HF_TRY(Tell(gone.path, gone.attributes, "not in the snapshot", "removed"));
    }
    return {};
  }

  // What exists only in the snapshot is created.
  Result<void> LookAtSaved(const Target& target, const std::string& root) {
    std::vector<std::string> above;
    for (std::string at = root; at.size() > target.path.size(); at.resize(at.rfind('/'))) {
      if (at != root) above.push_back(at);
    }
    if (root != target.path) above.push_back(target.path);
    for (auto at = above.rbegin(); at != above.rend(); ++at) {
      if (made_.insert(*at).second) HF_TRY(LookAtSavedEntry(*at));
    }
    HF_TRY(LookAtSavedEntry(root));
    HF_ASSIGN(std::optional<Attributes> top, snapshot_.Stat(SnapshotPath(root)));
    if (!top || top->type != NodeType::kDirectory) return {};
    const std::size_t prefix = SnapshotPath("").size();
    return VisitBelow(snapshot_, SnapshotPath(root),
                      [&](const std::string& path, const Attributes& saved) -> Result<void> {
                        HF_TRY(CheckStop(stop_));
                        return TellIfNew(path.substr(prefix), saved);
                      });
  }

  Result<void> LookAtSavedEntry(const std::string& path) {
    HF_ASSIGN(std::optional<Attributes> saved, snapshot_.Stat(SnapshotPath(path)));
    return saved ? TellIfNew(path, *saved) : Result<void>{};
  }

  Result<void> TellIfNew(const std::string& path, const Attributes& saved) {
    HF_ASSIGN(const bool exists, Exists(path));
    return exists ? Result<void>{} : Tell(path, saved, "missing", "created");
  }

  Result<void> Tell(const std::string& path, const Attributes& attributes, std::string there,
                    std::string action) {
    return visit_({.what = std::string(TypeText(attributes.type)),
                   .name = path,
                   .items = 1,
                   .bytes = attributes.type == NodeType::kFile ? attributes.size : 0,
                   .there = std::move(there),
                   .action = std::move(action)});
  }

  UntrustedView& snapshot_;
  const CarryOver& carry_over_;
  const ChangeVisitor& visit_;
  const std::stop_token stop_;
  PreviewCounts counts_;
  std::vector<Removed> removed_;  // each inside the previous one
  std::set<std::string> made_;    // directories above roots
};

}  // namespace

Result<PreviewCounts> PreviewRestore(const RestorePlan& plan, UntrustedView& snapshot,
                                     const CarryOver& carry_over, const ChangeVisitor& visit,
                                     std::stop_token stop) {
  Preview preview(snapshot, carry_over, visit, std::move(stop));
  for (const Target& target : plan.targets) HF_TRY(preview.Look(target));
  return preview.counts();
}

}  // namespace holdfast::files
