// What differs between two directories and all below them, as `restic diff` sees it.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

struct TreeChange {
  std::string path;  // a directory's ends in "/"
  // "+": only in the second; "-": only in the first; "T": of another type; "M": of other content;
  // "M?": of other content and otherwise the same, which a rotten disk would explain; "U": of other
  // attributes alone.
  std::string_view change;
};

struct DiffCounts {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t others = 0;
  std::uint64_t data_blobs = 0;
  std::uint64_t tree_blobs = 0;
  std::uint64_t bytes = 0;  // of these blobs
};
struct DiffReport {
  std::uint64_t changed_files = 0;
  DiffCounts added;
  DiffCounts removed;
};

// Calls `visit` for each change, directories before what lies in them, siblings by ascending name;
// stops at its first error. With `with_attributes` changes of attributes count, too. Memory: the
// directories on the way, 60 bytes per blob of what differs, 40 per directory that does not.
// kCorrupt names what cannot be read. REQUIRES: the index was loaded after the trees were found.
Result<DiffReport> DiffTrees(Repository& repository, const Id& first, const Id& second,
                             bool with_attributes,
                             const std::function<Result<void>(const TreeChange&)>& visit,
                             std::stop_token stop);

}  // namespace holdfast::repository
