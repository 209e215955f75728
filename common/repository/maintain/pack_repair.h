// Saves the intact blobs of damaged packs, then removes the packs.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>

#include "common/base/result.h"
#include "common/repository/maintain/index_repair.h"
#include "common/repository/store/lock.h"
#include "common/repository/store/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct PackRepairOptions {
  const Lock* lock = nullptr;  // exclusive; checked before each write and removal. May be null
};

struct PackRepairReport {
  std::uint64_t packs_removed = 0;
  std::uint64_t blobs_saved = 0;  // intact blobs, copied to new packs
  std::uint64_t bytes_saved = 0;
  std::uint64_t blobs_lost = 0;  // damaged blobs that no other pack of the index has
  IndexRepairReport index;
};

// Copies every blob that decrypts and matches its id to new packs, rebuilds the index without the
// named packs (RepairIndex()) and removes the packs. If it is killed at any point, every intact
// blob is still in a pack of the index. The caller must hold an exclusive lock. kNotFound, without
// any change, if neither storage nor index has one of the packs. REQUIRES: the index was loaded
// after the lock was taken.
// A backup with KnownBlobs::kVerify stores lost blobs again, if its source still has them.
Result<PackRepairReport> RepairPacks(Repository& repository, std::span<const Id> packs,
                                     const PackRepairOptions& options, Progress& progress,
                                     std::stop_token stop);

}  // namespace holdfast::repository
