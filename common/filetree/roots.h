// The paths at which a walk begins, with their symlinks resolved.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/stream/manifest.h"

namespace holdfast::filetree {

// A root as it is saved.
struct Root {
  std::string given;  // as in the options, without trailing slashes
  std::string path;   // absolute and real: only the last component may be a symlink
  bool exists = false;
};

// One component of the path to a root. Children are sorted by ascending name bytes.
struct RootNode {
  bool is_root = false;
  // is_root: the path in the options, if it differs; otherwise empty.
  std::string given;
  bool is_missing = false;  // is_root: did not exist when the walk began
  std::map<std::string, std::unique_ptr<RootNode>> below;
};

// Resolves `roots` and joins them into a tree. Symlinks on the way become roots too.
struct RootTree {
  std::unique_ptr<RootNode> top;  // "/"
  std::vector<Root> roots;
  std::vector<Missing> missing;  // roots that do not exist or cannot be reached
  std::vector<std::string> warnings;
};
Result<RootTree> MakeRootTree(const std::vector<std::string>& roots);

// The real path of an absolute path: follows symlinks among its directories, but not in the last
// component. `links` (may be null) receives the symlinks followed. Components that do not exist are
// kept as written. kInvalidArgument when the path is not absolute, kUnsupported for too many links.
Result<std::string> ResolveParents(const std::string& path, std::vector<std::string>* links);

}  // namespace holdfast::filetree
