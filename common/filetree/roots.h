// The paths that a walk begins at, as a tree of names.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/filetree/walker.h"

namespace holdfast::filetree {

// One component on the way to a root. Children by ascending name bytes.
struct RootNode {
  bool is_root = false;
  std::string given;  // is_root: as the options have it, where that is another path; else empty
  bool is_missing = false;  // is_root: was not there when the walk began, and is named so
  std::map<std::string, std::unique_ptr<RootNode>> below;
};

// Resolves `roots` and joins them to a tree; symlinks passed on the way become roots too.
struct RootTree {
  std::unique_ptr<RootNode> top;  // "/"
  std::vector<Walker::Root> roots;
  std::vector<Missing> missing;  // roots that are not there or cannot be reached
  std::vector<std::string> warnings;
};
Result<RootTree> MakeRootTree(const std::vector<std::string>& roots);

}  // namespace holdfast::filetree
