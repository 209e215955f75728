#include "common/filetree/roots.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <deque>

#include "common/base/format.h"
#include "common/base/path.h"
#include "common/filetree/metadata.h"

namespace holdfast::filetree {
namespace {

constexpr int kLinksMax = 40;  // the kernel's own limit

// Removes the last component. "/" is the empty string here, so that "" + "/x" is "/x".
void Ascend(std::string& path) { path.resize(path.empty() ? 0 : path.rfind('/')); }

RootNode& NodeOf(RootNode& top, const std::string& path) {
  RootNode* node = &top;
  for (const std::string& component : PathComponents(path)) {
    std::unique_ptr<RootNode>& below = node->below[component];
    if (!below) below = std::make_unique<RootNode>();
    node = below.get();
  }
  return *node;
}

}  // namespace

Result<std::string> ResolveParents(const std::string& path, std::vector<std::string>* links) {
  if (!path.starts_with('/')) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("path {} is not absolute", Quote(path)),
                "begin it with \"/\"");
  }
  if (path.find('\0') != std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("path {} contains a zero byte", Quote(path)),
                "no file can have such a name");
  }
  std::vector<std::string> components = PathComponents(path);
  std::deque<std::string> left(components.begin(), components.end());
  std::string real;
  int links_passed = 0;
  while (!left.empty()) {
    std::string component = std::move(left.front());
    left.pop_front();
    if (component == "..") {
      Ascend(real);
      continue;
    }
    std::string next = real + "/" + component;
    struct stat status {};
    if (left.empty() || lstat(next.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) {
      real = std::move(next);
      continue;
    }
    if (++links_passed > kLinksMax) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("too many symlinks in the path {}", Quote(path)),
                  "name the real path");
    }
    HF_ASSIGN(std::string target, ReadLinkTarget(AT_FDCWD, next, next));
    if (links != nullptr) links->push_back(next);
    if (target.starts_with('/')) real.clear();
    std::vector<std::string> inserted = PathComponents(target);
    left.insert(left.begin(), inserted.begin(), inserted.end());
  }
  return real.empty() ? "/" : real;
}

Result<RootTree> MakeRootTree(const std::vector<std::string>& roots) {
  RootTree tree;
  tree.top = std::make_unique<RootNode>();
  for (const std::string& root : roots) {
    std::vector<std::string> links;
    HF_ASSIGN(std::string real, ResolveParents(root, &links));
    std::string given = WithoutSlashes(root);
    struct stat status {};
    bool exists = lstat(real.c_str(), &status) == 0;
    RootNode& node = NodeOf(*tree.top, real);
    node.is_root = true;
    if (given != real) node.given = given;
    node.is_missing = !exists;
    if (!exists) tree.missing.push_back(MissingFor(given, "read its attributes", errno));
    for (const std::string& link : links) NodeOf(*tree.top, link).is_root = true;
    if (!links.empty() && exists) {
      tree.warnings.push_back(
          fmt::format("{} is saved under its real path, {}", Quote(given), Quote(real)));
    }
    tree.roots.push_back({std::move(given), std::move(real), exists});
  }
  return tree;
}

}  // namespace holdfast::filetree
