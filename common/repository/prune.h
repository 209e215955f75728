// Takes away what no snapshot needs any more.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>

#include "common/base/result.h"
#include "common/repository/lock.h"
#include "common/repository/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct PruneOptions {
  // So much that nobody needs may stay in packs with what is needed, in per cent of all that is
  // left then; unset: any amount.
  std::optional<double> max_unused_percent = 5;
  std::optional<std::uint64_t> max_unused_bytes = std::nullopt;  // instead of the above
  // No more than this is written anew in one prune; the next one goes on.
  std::optional<std::uint64_t> max_repack_bytes = std::nullopt;
  bool dry_run = false;
  const Lock* lock = nullptr;  // exclusive; asked before each write and removal. May be null
};

struct PruneReport {
  std::uint64_t snapshots = 0;
  std::uint64_t blobs_needed = 0;
  std::uint64_t bytes_needed = 0;  // here and below: as they lie in packs
  std::uint64_t blobs_unneeded = 0;
  std::uint64_t bytes_unneeded = 0;
  std::uint64_t packs_kept = 0;
  std::uint64_t packs_repacked = 0;
  std::uint64_t bytes_repacked = 0;  // needed blobs that were copied to new packs
  std::uint64_t packs_removed = 0;   // repacked ones and those without an index among them
  std::uint64_t packs_unindexed = 0;
  std::uint64_t bytes_freed = 0;  // what was removed less what was written for it
  std::uint64_t bytes_left_unneeded = 0;
  std::uint64_t index_files_written = 0;
  std::uint64_t index_files_removed = 0;
  std::uint64_t leftover_files = 0;  // of writers that died in the middle of one, not packs
  std::uint64_t leftover_bytes = 0;  // not among bytes_freed
};

// Finds what the snapshots need, copies it out of packs that hold too much else, writes index files
// that name what stays, and removes the others, then the packs. Killed anywhere between, every
// snapshot can be restored and the next prune finishes the work. Blobs that are copied are opened
// and compared with their ids before; of a blob that lies in several packs, of which one goes, the
// copy that stays is, and where it is damaged another one stays.
// Needs an exclusive lock held by the caller, so that nobody writes what no snapshot names yet, and
// nobody forgets one: kUnavailable when one that is listed is not there. kCorrupt, before anything
// is removed, when something is missing that a snapshot needs, or when a blob to be copied, or
// every copy of one, is damaged. What the storage has of files that were never finished goes, too,
// where it was last written long ago. Memory: a byte per blob and some 100 bytes per pack beside
// the index, some 20 MB for copies, and three packs per thread. REQUIRES: the index was loaded
// after the lock was taken.
Result<PruneReport> PruneRepository(Repository& repository, const PruneOptions& options,
                                    Progress& progress, std::stop_token stop);

}  // namespace holdfast::repository
