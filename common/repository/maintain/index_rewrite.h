// Replaces some index files with new ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/base/result.h"
#include "common/repository/store/lock.h"
#include "common/repository/store/repository.h"

namespace holdfast::repository {

// If the process is killed at any point, the index still has everything that it had before: new
// files are written before old ones are removed. Used by one thread at a time.
class IndexRewrite {
 public:
  // Both must outlive the object. `lock` is checked before each write and removal; it may be null.
  IndexRewrite(Repository& repository, const Lock* lock) : repository_(repository), lock_(lock) {}

  // The existing index files, ascending.
  Result<std::vector<Id>> List();
  // Adds a pack to the new files. Writes a file when it is full.
  Result<void> Keep(PackContents contents);
  // RemoveReplaced() removes this file. REQUIRES: by then, all its packs that stay are kept.
  void Replace(const Id& file) { replaced_.push_back(file); }
  // Writes what was kept but not written yet.
  Result<void> Write();
  // REQUIRES: Write() has succeeded after the last Keep().
  Result<void> RemoveReplaced();

  std::uint64_t files_written() const { return files_written_; }
  std::uint64_t files_removed() const { return files_removed_; }

 private:
  Repository& repository_;
  const Lock* lock_;
  std::vector<PackContents> kept_;  // for the next file
  std::size_t kept_blobs_ = 0;
  std::vector<Id> replaced_;
  std::uint64_t files_written_ = 0;
  std::uint64_t files_removed_ = 0;
};

}  // namespace holdfast::repository
