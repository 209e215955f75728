// Removes what no snapshot needs any more.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>

#include "common/base/result.h"
#include "common/repository/store/lock.h"
#include "common/repository/store/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct PruneOptions {
  // How much unneeded data may remain in packs with needed data, in per cent of what remains then;
  // unset: any amount.
  std::optional<double> max_unused_percent = 5;
  std::optional<std::uint64_t> max_unused_bytes = std::nullopt;  // instead of the above
  // One prune repacks no more than this; the next one continues.
  std::optional<std::uint64_t> max_repack_bytes = std::nullopt;
  bool dry_run = false;
  const Lock* lock = nullptr;  // exclusive; checked before each write and removal. May be null
};

struct PruneReport {
  std::uint64_t snapshots = 0;
  std::uint64_t blobs_needed = 0;
  std::uint64_t bytes_needed = 0;  // here and below: as stored in packs
  std::uint64_t blobs_unneeded = 0;
  std::uint64_t bytes_unneeded = 0;
  std::uint64_t packs_kept = 0;
  std::uint64_t packs_repacked = 0;
  std::uint64_t bytes_repacked = 0;  // needed blobs, copied to new packs
  std::uint64_t packs_removed = 0;   // including repacked and unindexed packs
  std::uint64_t packs_unindexed = 0;
  std::uint64_t bytes_freed = 0;  // bytes removed minus bytes written in their place
  std::uint64_t bytes_left_unneeded = 0;
  std::uint64_t index_files_written = 0;
  std::uint64_t index_files_removed = 0;
  std::uint64_t leftover_files = 0;  // unfinished files of writers that died; not packs
  std::uint64_t leftover_bytes = 0;  // not included in bytes_freed
};

// Finds what the snapshots need, copies it out of packs with too much other data, writes index
// files that name what stays, and removes the old index files, then the packs. If it is killed at
// any point, every snapshot can be restored and the next prune finishes the work.
// Blobs are decrypted and compared with their ids before they are copied. If a blob is in several
// packs and one is removed, the copy that stays is verified, too; if damaged, another copy stays.
// The caller must hold an exclusive lock, so that no one else adds blobs that no snapshot names
// yet, or forgets a snapshot: kUnavailable if a listed snapshot does not exist. kCorrupt, before
// anything is removed, if something that a snapshot needs is missing, or if a blob to be copied or
// every copy of a blob is damaged. Files that writers left unfinished long ago are removed as well.
// Memory: a byte per blob and some 100 bytes per pack in addition to the index, some 20 MB for
// copies, and three packs per thread. REQUIRES: the index was loaded after the lock was taken.
Result<PruneReport> PruneRepository(Repository& repository, const PruneOptions& options,
                                    Progress& progress, std::stop_token stop);

}  // namespace holdfast::repository
