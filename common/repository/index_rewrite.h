// New index files in the place of some that are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/base/result.h"
#include "common/repository/lock.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

// Killed anywhere, the index says all that it said before: what stays is written before anything
// goes. One thread at a time.
class IndexRewrite {
 public:
  // Both outlive the object. `lock` is asked before each write and removal; it may be null.
  IndexRewrite(Repository& repository, const Lock* lock) : repository_(repository), lock_(lock) {}

  // The index files that are there, ascending.
  Result<std::vector<Id>> List();
  // Says of a pack in a new file; files are written as they become full.
  Result<void> Keep(PackContents contents);
  // RemoveReplaced() takes this file away. REQUIRES: all of it that shall stay is kept by then.
  void Replace(const Id& file) { replaced_.push_back(file); }
  // What is kept and not written yet.
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
