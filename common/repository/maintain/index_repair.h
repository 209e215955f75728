// Makes the index match the packs again.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/repository/store/lock.h"
#include "common/repository/store/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct IndexRepairOptions {
  bool read_all_packs = false;  // compare each pack's header, not only its size
  const Lock* lock = nullptr;   // exclusive; checked before each write and removal; may be null
  std::vector<Id> without;      // packs to leave out of the index, even if they exist
};

struct IndexRepairReport {
  std::uint64_t packs = 0;          // in the index at the end
  std::uint64_t packs_read = 0;     // whose header was read
  std::uint64_t packs_added = 0;    // that the index did not have, or had wrong
  std::uint64_t packs_dropped = 0;  // that the index had but the storage does not
  std::uint64_t index_files_written = 0;
  std::uint64_t index_files_removed = 0;
  std::vector<std::string> damage;  // what could not be read: index files, and packs left out

  bool changed_anything() const { return index_files_written + index_files_removed > 0; }
};

// Keeps index files that are right. Replaces the others by new files with their right entries, and
// with the packs that no index file has, whose headers are read. Then removes the old files. If it
// is killed at any point, the index still has every blob that it had before. Does not write or
// remove packs. Memory: about 60 bytes per pack, and one new index file. The caller must hold an
// exclusive lock. Damage is in the report; an error means that the storage failed.
Result<IndexRepairReport> RepairIndex(Repository& repository, const IndexRepairOptions& options,
                                      Progress& progress, std::stop_token stop);

}  // namespace holdfast::repository
