// Whether all that trees need lies in the storage: asked before a snapshot of them becomes visible
// by somebody who did not write them himself.
#pragma once

#include <span>
#include <stop_token>
#include <string>

#include "common/base/result.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

struct NamedTree {
  std::string name;  // for messages: "part of node \"n1\""
  Id tree;
};

// That every blob below the trees is in the index, and in a pack that is in the storage with the
// size that the index makes it; of several packs one is enough. Reads the trees and no data.
// kCorrupt names the tree, and the pack or the path. Memory: 32 bytes per directory and pack.
// REQUIRES: the index was loaded after the trees were written, and a lock is held.
Result<void> CheckPacksOf(Repository& repository, std::span<const NamedTree> trees,
                          std::stop_token stop);

}  // namespace holdfast::repository
