// Compares two directories and all below them, like `restic diff`.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/repository/store/blob_store.h"

namespace holdfast::repository {

struct TreeChange {
  std::string path;  // ends in "/" for a directory
  // "+": only in the second; "-": only in the first; "T": type differs; "M": content differs; "M?":
  // only the content differs, which a failing disk may have caused; "U": only attributes differ.
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

// Calls `visit` for each change, directories before their entries, siblings by ascending name;
// stops at its first error. `with_attributes` includes changes of attributes. Memory: the
// directories on the current path, 60 bytes per blob that differs, 40 per directory that does not.
// kCorrupt names what cannot be read. REQUIRES: the index was loaded after the trees were found.
Result<DiffReport> DiffTrees(BlobStore& blobs, const Id& first, const Id& second,
                             bool with_attributes,
                             const std::function<Result<void>(const TreeChange&)>& visit,
                             std::stop_token stop);

}  // namespace holdfast::repository
