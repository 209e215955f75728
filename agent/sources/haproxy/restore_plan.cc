#include "agent/sources/haproxy/restore_plan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "agent/sources/haproxy/backup.h"
#include "agent/sources/haproxy/file_space.h"
#include "agent/sources/host/paths.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/filetree/roots.h"
#include "common/filetree/walker.h"
#include "common/io/fd.h"

namespace holdfast::haproxy {

namespace {

// Kept free on every file system, for names, attributes and other writers.
constexpr std::uint64_t kSpareBytes = 1U << 20;
constexpr std::uint64_t kBytesMax = std::numeric_limits<std::uint64_t>::max() - kSpareBytes;

std::string Join(const std::string& directory, const std::string& name) {
  return directory == "/" ? "/" + name : directory + "/" + name;
}

bool IsPlain(NodeType type) { return type == NodeType::kFile || type == NodeType::kSymlink; }

Result<bool> SameContent(ByteReader& reader, const std::string& path) {
  HF_ASSIGN(Fd fd, OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
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

// Where a symlink of the snapshot leads, if that may not be restored; otherwise empty. The live
// configuration would name that file from then on, so the next restore could write it.
std::string TargetOutside(const InPlaceRule& rule, const std::string& path,
                          const Attributes& wanted) {
  if (wanted.type != NodeType::kSymlink) return "";
  std::string target = AbsolutePath(ParentPath(path), wanted.link_target);
  return rule.Allows(ResolvedPaths(target).back()) ? "" : target;
}

// Whether an entry below a new directory is restored with it.
bool IsRestored(const InPlaceRule& rule, const std::string& path, const Attributes& wanted) {
  const bool is_directory = wanted.type == NodeType::kDirectory;
  if (!is_directory && !IsPlain(wanted.type)) return false;
  if (!rule.Allows(path)) return is_directory && rule.IsAbove(path);
  return TargetOutside(rule, path, wanted).empty();
}

class Planner {
 public:
  Planner(UntrustedView& view, const Survey& live, const InPlaceRule& rule,
          const PlanOptions& options, std::stop_token stop)
      : view_(view), live_(live), rule_(rule), options_(options), stop_(std::move(stop)) {
    plan_.prefix = options.prefix;
  }

  Result<RestorePlan> Run() {
    HF_TRY(CompareAll());
    if (plan_.targets.empty() && plan_.unchanged.empty()) return NothingFound();
    std::ranges::sort(plan_.targets, {}, &Target::path);
    if (options_.keep_others) return std::move(plan_);
    HF_ASSIGN(const std::vector<std::string> certificates,
              view_.DetailsOf(std::string(kCertificateDirectories)));
    HF_ASSIGN(const std::vector<std::string> configs,
              view_.DetailsOf(std::string(kConfigDirectories)));
    HF_TRY(FindForeign(certificates, false));
    HF_TRY(FindForeign(configs, true));
    return std::move(plan_);
  }

 private:
  struct Pending {
    std::string path;
    bool is_new = false;  // it does not exist, and is part of a target
  };

  std::string InSnapshot(const std::string& path) const {
    return path == "/" ? plan_.prefix : plan_.prefix + path;
  }

  std::unexpected<Error> NothingFound() const {
    const std::string below = Quote(plan_.prefix);
    if (plan_.left_alone.empty()) {
      return Fail(ErrorCode::kNotFound,
                  fmt::format("the snapshot has no files of HAProxy below {}", below));
    }
    return Fail(ErrorCode::kDenied,
                fmt::format("nothing that the snapshot has below {} may be restored: {}", below,
                            plan_.left_alone.first()),
                rule_.hint());
  }

  // A stack instead of recursion, because the snapshot determines how deeply directories nest.
  Result<void> CompareAll() {
    std::vector<Pending> pending = {{"/"}};
    std::size_t count = 0;
    Pending directory;
    const auto compare = [&](const ViewEntry& entry) -> Result<void> {
      HF_TRY(CheckStop(stop_));
      if (++count > kEntriesMax) {
        return Fail(ErrorCode::kUnsupported,
                    fmt::format("the snapshot has more than {} below {}",
                                FormatCount(kEntriesMax, "file"), Quote(plan_.prefix)),
                    "restore it to a directory: --to DIR");
      }
      Pending below{Join(directory.path, entry.name), directory.is_new};
      HF_ASSIGN(const bool is_entered, CompareEntry(below, entry.attributes));
      if (is_entered) pending.push_back(std::move(below));
      return {};
    };
    while (!pending.empty()) {
      directory = std::move(pending.back());
      pending.pop_back();
      HF_TRY(view_.List(InSnapshot(directory.path), compare));
    }
    return {};
  }

  // Returns whether to compare what is in the directory, too. Sets `entry.is_new`.
  Result<bool> CompareEntry(Pending& entry, const Attributes& wanted) {
    const std::string& path = entry.path;
    if (!options_.scope.Has(path) && !options_.scope.IsAbove(path)) return false;
    const bool is_directory = wanted.type == NodeType::kDirectory;
    const bool is_allowed = rule_.Allows(path);
    if (!is_directory && !IsPlain(wanted.type)) {
      plan_.left_alone.Add(path, "only files, directories and symlinks are restored");
      return false;
    }
    if (entry.is_new) return CompareNew(path, wanted);
    Result<Attributes> present = filetree::ReadAttributes(path);
    if (!present && present.error().code() != ErrorCode::kNotFound) {
      return Fail(std::move(present).error().WithHint("restore as root"));
    }
    if (!is_allowed && present && is_directory && present->type == NodeType::kDirectory) {
      return true;
    }
    if (!is_allowed && (present || !is_directory || !rule_.IsAbove(path))) {
      if (!present || !SameAttributes(wanted, *present)) LeaveAlone(path, is_directory);
      return false;
    }
    if (!present) {
      HF_ASSIGN(const bool is_added, Add(path, wanted));
      entry.is_new = true;
      return is_directory && is_added;
    }
    return CompareAllowed(path, wanted, *present);
  }

  // Below a directory that is created.
  bool CompareNew(const std::string& path, const Attributes& wanted) {
    const bool is_directory = wanted.type == NodeType::kDirectory;
    if (IsRestored(rule_, path, wanted)) return is_directory;
    if (!LeadsOut(path, wanted)) LeaveAlone(path, is_directory);
    return false;
  }

  Result<bool> Add(const std::string& path, const Attributes& wanted) {
    if (!options_.scope.Has(path)) {
      return Fail(ErrorCode::kNotFound,
                  fmt::format("{} does not exist, and --path {} does not create it", Quote(path),
                              InSnapshot(options_.scope.path())),
                  fmt::format("restore the directory, too: --path {}", InSnapshot(path)));
    }
    if (LeadsOut(path, wanted)) return false;
    AddTarget(Target::Action::kAdd, path, wanted);
    return true;
  }

  Result<bool> CompareAllowed(const std::string& path, const Attributes& wanted,
                              const Attributes& present) {
    const bool is_directory = wanted.type == NodeType::kDirectory;
    const bool stands_directory = present.type == NodeType::kDirectory;
    if (is_directory && stands_directory) return true;
    if (is_directory || stands_directory) {
      return Fail(ErrorCode::kAlreadyExists,
                  fmt::format("{} is {}, but in the snapshot it is {}", Quote(path),
                              stands_directory ? "a directory" : "no directory",
                              is_directory ? "a directory" : "none"),
                  "move it aside, or restore with --to and copy by hand");
    }
    HF_ASSIGN(bool same, IsSame(path, wanted, present));
    if (same) {
      plan_.unchanged.push_back(path);
    } else if (!LeadsOut(path, wanted)) {
      AddTarget(Target::Action::kReplace, path, wanted);
    }
    return false;
  }

  void LeaveAlone(const std::string& path, bool is_directory) {
    plan_.left_alone.Add(path, is_directory ? fmt::format("with all that is in it: {}", kNotNamed)
                                            : std::string(kNotNamed));
  }

  bool LeadsOut(const std::string& path, const Attributes& wanted) {
    const std::string target = TargetOutside(rule_, path, wanted);
    if (target.empty()) return false;
    plan_.left_alone.Add(path, fmt::format("it would lead to {}, and {}", target, kNotNamed));
    return true;
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
      HF_TRY(CheckStop(stop_));
      if (!IsRealDirectory(directory)) continue;
      HF_ASSIGN(std::vector<std::string> names, live.List(directory));
      for (const std::string& name : names) {
        if (config_only && !name.ends_with(".cfg")) continue;
        std::string path = Join(directory, name);
        if (!options_.scope.Has(path) || !rule_.Allows(path)) continue;
        HF_ASSIGN(std::optional<Attributes> wanted, view_.Stat(InSnapshot(path)));
        HF_ASSIGN(const bool is_hidden, view_.Hides(InSnapshot(path)));
        if (wanted || is_hidden) continue;
        HF_ASSIGN(Attributes present, filetree::ReadAttributes(path));
        if (!IsPlain(present.type) || plan_.removed.contains(path)) continue;
        AddTarget(Target::Action::kRemove, path, present);
        plan_.removed.insert(path);
      }
    }
    return {};
  }

  // The manifest, which is not trusted, names `path`. Files must not be removed twice, by another
  // spelling or through a symlink.
  static bool IsRealDirectory(const std::string& path) {
    struct stat status {};
    const Result<std::string> real = filetree::ResolveParents(path, nullptr);
    return real && *real == path && ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  }

  void AddTarget(Target::Action action, const std::string& path, const Attributes& attributes) {
    Target target;
    target.action = action;
    target.path = path;
    target.attributes = attributes;
    target.is_named = std::ranges::any_of(live_.roots, [&path](const std::string& root) {
      return RestoreScope::IsWithin(path, root);
    });
    plan_.targets.push_back(std::move(target));
  }

  UntrustedView& view_;
  const Survey& live_;
  const InPlaceRule& rule_;
  const PlanOptions& options_;
  std::stop_token stop_;
  RestorePlan plan_;
};

}  // namespace

InPlaceRule MakeRule(const InPlacePolicy& policy, const Survey& live) {
  InPlaceRule rule(policy);
  for (const std::string& path : live.named) rule.Name(path);
  return rule;
}

Result<RestorePlan> PlanRestore(UntrustedView& view, const Survey& live, const InPlaceRule& rule,
                                const PlanOptions& options, std::stop_token stop) {
  return Planner(view, live, rule, options, std::move(stop)).Run();
}

Result<void> VisitTarget(
    const RestorePlan& plan, const InPlaceRule& rule, UntrustedView& view, const Target& target,
    const std::function<Result<void>(const std::string& path, const Attributes&)>& visit) {
  HF_TRY(visit(target.path, target.attributes));
  if (target.attributes.type != NodeType::kDirectory) return {};
  std::vector<std::string> pending = {target.path};
  std::string directory;
  const auto visit_entry = [&](const ViewEntry& entry) -> Result<void> {
    std::string path = Join(directory, entry.name);
    if (!IsRestored(rule, path, entry.attributes)) return {};
    HF_TRY(visit(path, entry.attributes));
    if (entry.attributes.type == NodeType::kDirectory) pending.push_back(std::move(path));
    return {};
  };
  while (!pending.empty()) {
    directory = std::move(pending.back());
    pending.pop_back();
    HF_TRY(view.List(plan.prefix + directory, visit_entry));
  }
  return {};
}

Result<void> TellChanges(const RestorePlan& plan, const InPlaceRule& rule, UntrustedView& view,
                         const ChangeVisitor& visit) {
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
        HF_TRY(VisitTarget(plan, rule, view, target,
                           [&](const std::string& path, const Attributes& attributes) {
                             return tell(path, attributes, "missing", "created");
                           }));
        break;
    }
  }
  return {};
}

Result<void> CheckRoom(const RestorePlan& plan, const InPlaceRule& rule, UntrustedView& view) {
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
    HF_TRY(VisitTarget(plan, rule, view, target,
                       [&](const std::string&, const Attributes& attributes) -> Result<void> {
                         // Untrusted: the sum may be larger than any number.
                         need.bytes += std::min(attributes.size, kBytesMax - need.bytes);
                         return {};
                       }));
  }
  for (const auto& [device, need] : needs) {
    HF_TRY(host::CheckFreeSpace(need.directory, need.bytes + kSpareBytes, "the restore",
                                "make room, or restore with --to elsewhere"));
  }
  return {};
}

Result<void> FillMirror(const RestorePlan& plan, const InPlaceRule& rule, UntrustedView& view,
                        const std::string& mirror) {
  // Collects all paths first: absolute symlinks between them must stay inside the mirror.
  std::map<std::string, std::pair<Attributes, std::string>> entries;  // path -> its real place
  for (const std::string& path : plan.unchanged) {
    HF_ASSIGN(Attributes attributes, filetree::ReadAttributes(path));
    entries[path] = {attributes, path};
  }
  std::set<std::string> directories;
  for (const Target& target : plan.targets) {
    if (target.action == Target::Action::kRemove) continue;
    HF_TRY(VisitTarget(plan, rule, view, target,
                       [&](const std::string& path, const Attributes& attributes) -> Result<void> {
                         std::string below = path.substr(target.path.size());
                         if (attributes.type == NodeType::kDirectory) {
                           directories.insert(path);
                         } else {
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
