// Checks that the storage has all that trees need, before a process that did not write them makes
// them visible in a snapshot.
#pragma once

#include <span>
#include <stop_token>
#include <string>

#include "common/base/result.h"
#include "common/repository/store/repository.h"

namespace holdfast::repository {

struct NamedTree {
  std::string name;  // for messages: "part of node \"n1\""
  Id tree;
};

// Checks that every blob below the trees is in the index, and that at least one of its packs is in
// the storage and has the size that the index implies. Reads trees, but no data. kCorrupt names the
// tree, and the pack or the path. Memory: 32 bytes per directory and pack. REQUIRES: the index was
// loaded after the trees were written, and a lock is held.
Result<void> CheckPacksOf(Repository& repository, std::span<const NamedTree> trees,
                          std::stop_token stop);

}  // namespace holdfast::repository
