#include "agent/sources/files/restore_plan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>

#include "common/base/format.h"
#include "common/base/path.h"

namespace holdfast::files {
namespace {

constexpr std::uint64_t kBlockBytes = 4096;
constexpr std::uint64_t kItemBytes = 512;  // inode and directory entry
// Sizes in a snapshot are untrusted. Larger ones count as this one, so that sums do not overflow.
constexpr std::uint64_t kSizeMax = std::uint64_t{1} << 62;
// A snapshot may seem to have endlessly many files. So room is also checked while they are counted.
constexpr std::uint64_t kItemsBetweenChecks = 1U << 16;

// The topmost directory of `path` that does not exist, or `path` itself if all of them exist.
Result<std::string> FindTarget(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    std::string above = path.substr(0, at);
    struct stat status {};
    if (lstat(above.c_str(), &status) != 0) {
      if (errno == ENOENT) return above;
      return Fail(ErrnoError(errno, "stat " + Quote(above)));
    }
    if (S_ISDIR(status.st_mode)) continue;
    return Fail(ErrorCode::kDenied,
                fmt::format("{} is below {}, which is now {}", Quote(path), Quote(above),
                            S_ISLNK(status.st_mode) ? "a symlink" : "no directory"),
                "restore with --to, or recreate the directory first");
  }
  return path;
}

bool IsDirectory(const Attributes& attributes) { return attributes.type == NodeType::kDirectory; }

// Whether `path` is absolute, and its text the only one for this path.
bool IsNormal(const std::string& path) {
  return path.starts_with('/') && path.find('\0') == std::string::npos &&
         std::filesystem::path(path).lexically_normal().string() == path &&
         (path == "/" || !path.ends_with('/'));
}

// The snapshot's roots within `scope` that `rule` allows, without those below another root. A scope
// below a root replaces that root.
Result<std::vector<std::string>> ChooseRoots(UntrustedView& snapshot, const InPlaceRule& rule,
                                             const RestoreScope& scope, LeftAloneList& left_alone) {
  HF_ASSIGN(std::vector<std::string> sorted, snapshot.DetailsOf(kRootsDetail));
  if (sorted.empty()) {
    return Fail(ErrorCode::kUnsupported, "the snapshot does not record its paths",
                "restore it to a directory: --to DIR");
  }
  std::ranges::sort(sorted);
  std::vector<std::string> roots;
  for (const std::string& one : sorted) {
    const bool is_around = scope.IsAbove(one);
    if (!is_around && !scope.Has(one)) continue;
    const std::string& root = is_around ? scope.path() : one;
    if (!IsNormal(root) || !rule.Allows(root)) {
      left_alone.Add(root, kNotNamed);
      continue;
    }
    bool is_covered = std::ranges::any_of(
        roots, [&root](const std::string& outer) { return RestoreScope::IsWithin(root, outer); });
    if (!is_covered) roots.push_back(root);
  }
  if (!roots.empty()) return roots;
  if (!left_alone.empty() && scope.is_limited()) {
    return Fail(ErrorCode::kDenied,
                fmt::format("{}, which --path selects, is not among the paths that this node "
                            "allows a restore to change",
                            Quote(scope.path())),
                fmt::format("add it to \"paths\", or {}, or restore to a directory: --to DIR",
                            rule.hint()));
  }
  if (!left_alone.empty()) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the snapshot has only paths that are no longer configured: {}",
                            left_alone.first()),
                fmt::format("add it to \"paths\", or {}, or restore to a directory: --to DIR",
                            rule.hint()));
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is not in a path of the source", Quote(scope.path())),
              "restore it to a directory: --to DIR --path PATH");
}

// What the restore needs on one file system.
struct Need {
  std::string directory;  // some directory on it
  std::uint64_t bytes = 0;
  std::uint64_t items = 0;
};

Result<void> CheckRoom(const Need& need) {
  struct statvfs room {};
  if (statvfs(need.directory.c_str(), &room) != 0) {
    return Fail(ErrnoError(errno, "check the free space in " + Quote(need.directory)));
  }
  constexpr std::string_view kHint = "make room, or restore with --to elsewhere";
  std::uint64_t blocks = geteuid() == 0 ? room.f_bfree : room.f_bavail;
  if (std::uint64_t free = blocks * room.f_frsize; free < need.bytes) {
    return Fail(
        ErrorCode::kNoSpace,
        fmt::format("the new files need {} in addition to the old ones in {}, but {} are free",
                    FormatBytes(need.bytes), Quote(need.directory), FormatBytes(free)),
        std::string(kHint));
  }
  // File systems without a fixed number of inodes report 0.
  if (room.f_files != 0 && room.f_ffree < need.items) {
    return Fail(
        ErrorCode::kNoSpace,
        fmt::format("{} needed in {}; free inodes there: {}", FormatCount(need.items, "new file"),
                    Quote(need.directory), FormatCount(room.f_ffree)),
        std::string(kHint));
  }
  return {};
}

Result<void> AddNeed(UntrustedView& snapshot, const std::string& root, const std::string& directory,
                     std::map<dev_t, Need>& needs, RestorePlan& plan, std::stop_token stop) {
  struct stat status {};
  if (stat(directory.c_str(), &status) != 0) {
    return Fail(ErrnoError(errno, "stat " + Quote(directory)));
  }
  Need& need = needs[status.st_dev];
  need.directory = directory;
  auto count = [&](const std::string&, const Attributes& attributes) -> Result<void> {
    HF_TRY(CheckStop(stop));
    const std::uint64_t size = std::min(attributes.size, kSizeMax);
    ++plan.items;
    plan.bytes = std::min(plan.bytes, kSizeMax) + size;
    ++need.items;
    need.bytes = std::min(need.bytes, kSizeMax) +
                 (size + kBlockBytes - 1) / kBlockBytes * kBlockBytes + kItemBytes;
    return need.items % kItemsBetweenChecks == 0 ? CheckRoom(need) : Result<void>{};
  };
  HF_ASSIGN(std::optional<Attributes> top, snapshot.Stat(SnapshotPath(root)));
  HF_CHECK(top.has_value());
  HF_TRY(count(root, *top));
  if (top->type != NodeType::kDirectory) return {};
  return VisitBelow(snapshot, SnapshotPath(root), count);
}

Result<void> CheckRights(const Target& target) {
  std::string parent = ParentPath(target.path);
  if (faccessat(AT_FDCWD, parent.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    return Fail(ErrnoError(errno, fmt::format("write into {}, to exchange {}", Quote(parent),
                                              Quote(target.path)))
                    .WithHint("run the restore as root, or restore to a directory: --to DIR"));
  }
  if (geteuid() != 0 && target.attributes.uid != geteuid()) {
    return Fail(ErrorCode::kDenied,
                fmt::format("{} belongs to user {}, and only root can set that owner",
                            Quote(target.path), target.attributes.uid),
                "run the restore as root, or restore to a directory: --to DIR");
  }
  return {};
}

}  // namespace

std::string SnapshotPath(const std::string& path) { return kDataPrefix + path; }

Result<void> VisitBelow(
    UntrustedView& snapshot, const std::string& path,
    const std::function<Result<void>(const std::string& path, const Attributes&)>& visit) {
  std::vector<std::string> directories = {path};
  while (!directories.empty()) {
    std::string directory = std::move(directories.back());
    directories.pop_back();
    auto visit_entry = [&](const ViewEntry& entry) -> Result<void> {
      std::string below = directory + "/" + entry.name;
      HF_TRY(visit(below, entry.attributes));
      if (entry.attributes.type == NodeType::kDirectory) directories.push_back(std::move(below));
      return {};
    };
    HF_TRY(snapshot.List(directory, visit_entry));
  }
  return {};
}

InPlaceRule MakeRule(const InPlacePolicy& policy, const Settings& settings) {
  InPlaceRule rule(policy);
  for (const std::string& path : settings.paths) rule.Name(path);
  return rule;
}

Result<RestorePlan> PlanRestore(UntrustedView& snapshot, const InPlaceRule& rule,
                                const RestoreScope& scope, std::stop_token stop) {
  RestorePlan plan;
  HF_ASSIGN(const std::vector<std::string> roots,
            ChooseRoots(snapshot, rule, scope, plan.left_alone));
  std::map<dev_t, Need> needs;
  for (const std::string& root : roots) {
    HF_ASSIGN(std::optional<Attributes> saved, snapshot.Stat(SnapshotPath(root)));
    if (!saved) {
      plan.notes.push_back(fmt::format("left {} as it is: the snapshot does not have it", root));
      continue;
    }
    HF_ASSIGN(std::string path, FindTarget(root));
    if (!scope.Has(path)) {
      return Fail(ErrorCode::kNotFound,
                  fmt::format("{} does not exist, and --path {} does not create it", Quote(path),
                              SnapshotPath(scope.path())),
                  fmt::format("restore the directory, too: --path {}", SnapshotPath(path)));
    }
    HF_TRY(AddNeed(snapshot, root, ParentPath(path), needs, plan, stop));
    auto known = std::ranges::find(plan.targets, path, &Target::path);
    if (known != plan.targets.end()) {
      known->roots.push_back(root);
      continue;
    }
    Target target;
    target.path = path;
    target.roots = {root};
    HF_ASSIGN(std::optional<Attributes> attributes, snapshot.Stat(SnapshotPath(path)));
    const bool is_right_type = attributes && (path == root || IsDirectory(*attributes));
    if (!is_right_type) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("in the snapshot, {} is no directory, but {} is below it",
                              Quote(path), Quote(root)));
    }
    target.attributes = std::move(*attributes);
    struct stat status {};
    target.is_there = lstat(path.c_str(), &status) == 0;
    HF_TRY(CheckRights(target));
    plan.targets.push_back(std::move(target));
  }
  if (plan.targets.empty()) {
    return Fail(ErrorCode::kNotFound, "the snapshot contains none of its recorded paths",
                "restore another snapshot");
  }
  for (const auto& [device, need] : needs) HF_TRY(CheckRoom(need));
  return plan;
}

}  // namespace holdfast::files
