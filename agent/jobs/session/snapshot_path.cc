#include "agent/jobs/session/snapshot_path.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/base/first_few.h"
#include "common/base/format.h"
#include "common/stream/original_path.h"

namespace holdfast::jobs {
namespace {

Result<std::vector<std::string>> Names(SnapshotView& view, std::string_view directory) {
  std::vector<std::string> names;
  HF_TRY(view.List(directory, [&](const ViewEntry& entry) {
    names.push_back(entry.name);
    return Result<void>{};
  }));
  return names;
}

// The directories that `root` matches in this snapshot.
Result<std::vector<std::string>> DirectoriesOf(SnapshotView& view, std::string_view root) {
  const std::size_t star = root.find(kAnyNode);
  if (star == std::string_view::npos) return std::vector{std::string(root)};
  std::vector<std::string> directories;
  const std::string above = TrimSlashes(root.substr(0, star));
  HF_ASSIGN(const std::optional<Attributes> found, view.Stat(above));
  if (!found) return directories;
  HF_ASSIGN(const std::vector<std::string> nodes, Names(view, above));
  for (const std::string& node : nodes) directories.push_back(RootOfNode(root, node));
  return directories;
}

}  // namespace

std::string TrimSlashes(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
}

Result<std::string> ResolvePath(SnapshotView& view, std::string_view root, std::string_view typed) {
  std::string path = TrimSlashes(typed);
  if (root.empty() || path.empty() || !typed.starts_with('/')) return path;
  HF_ASSIGN(const std::vector<std::string> directories, DirectoriesOf(view, root));
  std::vector<std::string> found;
  for (const std::string& directory : directories) {
    std::string candidate = directory + "/" + path;
    HF_ASSIGN(const std::optional<Attributes> attributes, view.Stat(candidate));
    if (attributes) found.push_back(std::move(candidate));
  }
  if (found.size() > 1) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is a path of {} nodes", Quote(typed), found.size()),
                "choose one: " + JoinFirst(found));
  }
  if (!found.empty()) return found.front();
  // Neither exists. If only one node has files, treat the path as one of its files, so errors name
  // what exists nearby.
  if (directories.size() != 1) return path;
  HF_ASSIGN(const std::optional<Attributes> top, view.Stat(path.substr(0, path.find('/'))));
  return top ? path : directories.front() + "/" + path;
}

Result<std::string> StrippedPrefix(SnapshotView& view, const std::string& path,
                                   std::uint32_t count) {
  std::string prefix;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto wrong = [&](const std::string& why, std::string hint) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("cannot strip {} leading components: {}", count, why),
                  std::move(hint));
    };
    std::string next;
    if (prefix.size() < path.size()) {
      next = path.substr(0, path.find('/', prefix.empty() ? 0 : prefix.size() + 1));
    } else {
      HF_ASSIGN(const std::vector<std::string> names, Names(view, prefix));
      if (names.size() != 1) {
        return wrong(
            fmt::format("{} has {} entries",
                        prefix.empty() ? "the top of the snapshot" : Quote(prefix), names.size()),
            "choose one of them with --path: " + JoinFirst(names));
      }
      next = prefix.empty() ? names.front() : prefix + "/" + names.front();
    }
    HF_ASSIGN(const std::optional<Attributes> found, view.Stat(next));
    if (!found || found->type != NodeType::kDirectory) {
      return wrong(Quote(next) + " is not a directory", fmt::format("strip at most {}", i));
    }
    prefix = std::move(next);
  }
  return prefix;
}

}  // namespace holdfast::jobs
