// Makes the index say again what the packs hold.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/repository/lock.h"
#include "common/repository/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct IndexRepairOptions {
  bool read_all_packs = false;   // compare every pack's own header, not only its size
  const Lock* lock = nullptr;    // exclusive; asked before each write and removal. May be null
  std::vector<Id> without = {};  // packs that are to be in no index, though they may be there
};

struct IndexRepairReport {
  std::uint64_t packs = 0;          // that the index has in the end
  std::uint64_t packs_read = 0;     // whose own header was read
  std::uint64_t packs_added = 0;    // that no index had, or had wrong
  std::uint64_t packs_dropped = 0;  // that an index had and the storage has not
  std::uint64_t index_files_written = 0;
  std::uint64_t index_files_removed = 0;
  std::vector<std::string> damage;  // what could not be read: index files, and packs left out

  bool changed_anything() const { return index_files_written + index_files_removed > 0; }
};

// Index files that are right stay as they are; of the others what is right is written anew, with
// the packs that no index has, whose headers are read; then the old files go. Killed anywhere
// between, the repository has every blob that it had before in its index. Packs are neither
// written nor removed. Memory: about 60 bytes per pack, and one new index file. Needs an exclusive
// lock held by the caller. What is damaged is in the report, an error means that the storage
// failed.
Result<IndexRepairReport> RepairIndex(Repository& repository, const IndexRepairOptions& options,
                                      Progress& progress, std::stop_token stop);

}  // namespace holdfast::repository
