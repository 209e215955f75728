#include "agent/sources/haproxy/restore_plan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "agent/sources/haproxy/backup.h"
#include "agent/sources/haproxy/file_space.h"
#include "agent/sources/host/paths.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/filetree/walker.h"
#include "common/io/fd.h"

namespace holdfast::haproxy {

namespace {

// Kept free on every file system, for names, attributes and other writers.
constexpr std::uint64_t kSpareBytes = 1U << 20;

std::string Join(const std::string& directory, const std::string& name) {
  return directory == "/" ? "/" + name : directory + "/" + name;
}

bool IsPlain(NodeType type) { return type == NodeType::kFile || type == NodeType::kSymlink; }

Result<bool> SameContent(ByteReader& reader, const std::string& path) {
  HF_ASSIGN(Fd fd, OpenFile(path, O_RDONLY | O_NOFOLLOW));
  std::array<std::uint8_t, 65536> wanted{};
  std::array<std::uint8_t, 65536> present{};
  for (;;) {
    HF_ASSIGN(std::size_t length, reader.Read(wanted));
    std::size_t filled = 0;
    while (filled < std::max<std::size_t>(length, 1)) {
      std::size_t room = length == 0 ? 1 : length - filled;
      HF_ASSIGN(std::size_t some,
                ReadSome(fd.get(), std::span(present).subspan(filled, room), path));
      if (some == 0) break;
      filled += some;
    }
    if (filled != length || !std::equal(wanted.begin(), wanted.begin() + length, present.begin())) {
      return false;
    }
    if (length == 0) return true;
  }
}

bool SameAttributes(const Attributes& a, const Attributes& b) {
  bool same = a.type == b.type && a.size == b.size && a.link_target == b.link_target;
  if (::geteuid() == 0) same = same && a.uid == b.uid && a.gid == b.gid;
  if (a.type == NodeType::kSymlink) return same;
  return same && a.mode == b.mode && a.mtime == b.mtime && a.extended == b.extended;
}

class Planner {
 public:
  Planner(SnapshotView& view, std::string prefix, const Survey& live, const RestoreScope& scope,
          std::stop_token stop)
      : view_(view), live_(live), scope_(scope), stop_(std::move(stop)) {
    plan_.prefix = std::move(prefix);
  }

  Result<RestorePlan> Run(bool keep_others) {
    HF_TRY(Compare("/"));
    if (plan_.targets.empty() && plan_.unchanged.empty()) {
      return Fail(ErrorCode::kNotFound, fmt::format("the snapshot has no files of HAProxy below {}",
                                                    Quote(plan_.prefix)));
    }
    if (keep_others) return std::move(plan_);
    const std::optional<Manifest>& manifest = view_.manifest();
    HF_TRY(FindForeign(manifest->DetailsOf(std::string(kCertificateDirectories)), false));
    HF_TRY(FindForeign(manifest->DetailsOf(std::string(kConfigDirectories)), true));
    return std::move(plan_);
  }

 private:
  std::string InSnapshot(const std::string& path) const {
    return path == "/" ? plan_.prefix : plan_.prefix + path;
  }

  Result<void> Compare(const std::string& directory) {
    std::vector<ViewEntry> entries;
    HF_TRY(view_.List(InSnapshot(directory), [&](const ViewEntry& entry) -> Result<void> {
      entries.push_back(entry);
      return {};
    }));
    for (const ViewEntry& entry : entries) {
      HF_TRY(CheckStop(stop_));
      HF_TRY(CompareEntry(Join(directory, entry.name), entry.attributes));
    }
    return {};
  }

  Result<void> CompareEntry(const std::string& path, const Attributes& wanted) {
    if (!scope_.Has(path) && !scope_.IsAbove(path)) return {};
    bool is_directory = wanted.type == NodeType::kDirectory;
    if (!is_directory && !IsPlain(wanted.type)) {
      plan_.skipped.push_back(
          fmt::format("left {} as it is: only files, directories and symlinks are restored", path));
      return {};
    }
    Result<Attributes> present = filetree::ReadAttributes(path);
    if (!present) {
      if (present.error().code() != ErrorCode::kNotFound) {
        return Fail(std::move(present).error().WithHint("restore as root"));
      }
      if (!scope_.Has(path)) {
        return Fail(ErrorCode::kNotFound,
                    fmt::format("{} does not exist, and --path {} does not create it", Quote(path),
                                InSnapshot(scope_.path())),
                    fmt::format("restore the directory, too: --path {}", InSnapshot(path)));
      }
      AddTarget(Target::Action::kAdd, path, wanted);
      return {};
    }
    bool stands_directory = present->type == NodeType::kDirectory;
    if (is_directory && stands_directory) return Compare(path);
    if (is_directory || stands_directory) {
      return Fail(ErrorCode::kAlreadyExists,
                  fmt::format("{} is {}, but in the snapshot it is {}", Quote(path),
                              stands_directory ? "a directory" : "no directory",
                              is_directory ? "a directory" : "none"),
                  "move it aside, or restore with --to and copy by hand");
    }
    HF_ASSIGN(bool same, IsSame(path, wanted, *present));
    if (same) {
      plan_.unchanged.push_back(path);
    } else {
      AddTarget(Target::Action::kReplace, path, wanted);
    }
    return {};
  }

  Result<bool> IsSame(const std::string& path, const Attributes& wanted,
                      const Attributes& present) {
    if (!SameAttributes(wanted, present)) return false;
    if (wanted.type == NodeType::kSymlink) return true;
    HF_ASSIGN(std::unique_ptr<ByteReader> reader, view_.Open(InSnapshot(path)));
    return SameContent(*reader, path);
  }

  // HAProxy would load certificates and configuration files that were added later: removes them.
  Result<void> FindForeign(const std::vector<std::string>& directories, bool config_only) {
    LiveFiles live;
    for (const std::string& directory : directories) {
      struct stat status {};
      if (::lstat(directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) continue;
      HF_ASSIGN(std::vector<std::string> names, live.List(directory));
      for (const std::string& name : names) {
        if (config_only && !name.ends_with(".cfg")) continue;
        std::string path = Join(directory, name);
        if (!scope_.Has(path)) continue;
        HF_ASSIGN(std::optional<Attributes> wanted, view_.Stat(InSnapshot(path)));
        if (wanted) continue;
        HF_ASSIGN(Attributes present, filetree::ReadAttributes(path));
        if (!IsPlain(present.type) || plan_.removed.contains(path)) continue;
        AddTarget(Target::Action::kRemove, path, present);
        plan_.removed.insert(path);
      }
    }
    return {};
  }

  void AddTarget(Target::Action action, const std::string& path, const Attributes& attributes) {
    Target target;
    target.action = action;
    target.path = path;
    target.attributes = attributes;
    for (const std::string& root : live_.roots) {
      target.is_named =
          target.is_named || path == root || (path.starts_with(root) && path[root.size()] == '/');
    }
    plan_.targets.push_back(std::move(target));
  }

  SnapshotView& view_;
  const Survey& live_;
  const RestoreScope& scope_;
  std::stop_token stop_;
  RestorePlan plan_;
};

// Calls `visit` for `path` of the snapshot and everything below it, parents first.
Result<void> ForEach(
    SnapshotView& view, const std::string& prefix, const std::string& path,
    const Attributes& attributes,
    const std::function<Result<void>(const std::string&, const Attributes&)>& visit) {
  HF_TRY(visit(path, attributes));
  if (attributes.type != NodeType::kDirectory) return {};
  std::vector<ViewEntry> entries;
  HF_TRY(view.List(prefix + path, [&](const ViewEntry& entry) -> Result<void> {
    entries.push_back(entry);
    return {};
  }));
  for (const ViewEntry& entry : entries) {
    HF_TRY(ForEach(view, prefix, Join(path, entry.name), entry.attributes, visit));
  }
  return {};
}

}  // namespace

Result<RestorePlan> PlanRestore(SnapshotView& view, const std::string& prefix, const Survey& live,
                                const RestoreScope& scope, bool keep_others, std::stop_token stop) {
  return Planner(view, prefix, live, scope, std::move(stop)).Run(keep_others);
}

Result<void> TellChanges(const RestorePlan& plan, SnapshotView& view, const ChangeVisitor& visit) {
  const auto tell = [&visit](const std::string& path, const Attributes& attributes,
                             std::string there, std::string action) {
    const bool is_file = attributes.type == NodeType::kFile;
    return visit({.what = attributes.type == NodeType::kDirectory ? "directory"
                          : is_file                               ? "file"
                                                                  : "symlink",
                  .name = path,
                  .items = 1,
                  .bytes = is_file ? attributes.size : 0,
                  .there = std::move(there),
                  .action = std::move(action)});
  };
  for (const Target& target : plan.targets) {
    switch (target.action) {
      case Target::Action::kReplace:
        HF_TRY(
            tell(target.path, target.attributes, "different content, owner or mode", "replaced"));
        break;
      case Target::Action::kRemove:
        HF_TRY(tell(target.path, target.attributes, "not in the snapshot", "removed"));
        break;
      case Target::Action::kAdd:
        HF_TRY(ForEach(view, plan.prefix, target.path, target.attributes,
                       [&](const std::string& path, const Attributes& attributes) {
                         return tell(path, attributes, "missing", "created");
                       }));
        break;
    }
  }
  return {};
}

Result<void> CheckRoom(const RestorePlan& plan, SnapshotView& view) {
  struct Need {
    std::string directory;
    std::uint64_t bytes = 0;
  };
  std::map<dev_t, Need> needs;
  std::set<std::string> seen;
  for (const Target& target : plan.targets) {
    std::string parent = ParentPath(target.path);
    if (seen.insert(parent).second &&
        ::faccessat(AT_FDCWD, parent.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
      return Fail(ErrnoError(errno, fmt::format("change the directory {}", Quote(parent)))
                      .WithHint("restore as root, or as the owner of the files"));
    }
    if (target.action == Target::Action::kRemove) continue;
    struct stat status {};
    if (::stat(parent.c_str(), &status) != 0) {
      return Fail(ErrnoError(errno, fmt::format("read the attributes of {}", Quote(parent))));
    }
    Need& need = needs[status.st_dev];
    need.directory = parent;
    HF_TRY(ForEach(view, plan.prefix, target.path, target.attributes,
                   [&](const std::string&, const Attributes& attributes) -> Result<void> {
                     need.bytes += attributes.size;
                     return {};
                   }));
  }
  for (const auto& [device, need] : needs) {
    HF_TRY(host::CheckFreeSpace(need.directory, need.bytes + kSpareBytes, "the restore",
                                "make room, or restore with --to elsewhere"));
  }
  return {};
}

Result<void> FillMirror(const RestorePlan& plan, SnapshotView& view, const std::string& mirror) {
  // Collects all paths first: absolute symlinks between them must stay inside the mirror.
  std::map<std::string, std::pair<Attributes, std::string>> entries;  // path -> its real place
  for (const std::string& path : plan.unchanged) {
    HF_ASSIGN(Attributes attributes, filetree::ReadAttributes(path));
    entries[path] = {attributes, path};
  }
  std::set<std::string> directories;
  for (const Target& target : plan.targets) {
    if (target.action == Target::Action::kRemove) continue;
    HF_TRY(ForEach(view, plan.prefix, target.path, target.attributes,
                   [&](const std::string& path, const Attributes& attributes) -> Result<void> {
                     std::string below = path.substr(target.path.size());
                     if (attributes.type == NodeType::kDirectory) {
                       directories.insert(path);
                     } else if (IsPlain(attributes.type)) {
                       entries[path] = {attributes, target.staged + below};
                     }
                     return {};
                   }));
  }
  for (const auto& [path, entry] : entries) {
    for (std::string at = ParentPath(path); directories.insert(at).second; at = ParentPath(at)) {
    }
  }
  for (const std::string& directory : directories) {
    HF_TRY(MakeDirectories(mirror + directory, 0700));
  }
  for (const auto& [path, entry] : entries) {
    const auto& [attributes, place] = entry;
    std::string target = place;
    if (attributes.type == NodeType::kSymlink) {
      target = attributes.link_target;
      if (target.starts_with('/') && (entries.contains(target) || directories.contains(target))) {
        target.insert(0, mirror);
      }
    }
    std::string link = mirror + path;
    if (::symlink(target.c_str(), link.c_str()) != 0) {
      return Fail(ErrnoError(errno, fmt::format("link {}", Quote(link))));
    }
  }
  return {};
}

}  // namespace holdfast::haproxy
