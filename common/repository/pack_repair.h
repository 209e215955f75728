// Saves what is whole in damaged packs, and takes the packs away.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>

#include "common/base/result.h"
#include "common/repository/index_repair.h"
#include "common/repository/lock.h"
#include "common/repository/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct PackRepairOptions {
  const Lock* lock = nullptr;  // exclusive; asked before each write and removal. May be null
};

struct PackRepairReport {
  std::uint64_t packs_removed = 0;
  std::uint64_t blobs_saved = 0;  // that were whole, in new packs now
  std::uint64_t bytes_saved = 0;
  std::uint64_t blobs_lost = 0;  // that were not, and no other pack of the index has
  IndexRepairReport index;
};

// Every blob that opens and has its id goes to new packs as it is; then RepairIndex() makes an
// index without the named packs, and these are removed. Killed anywhere between, every blob that
// was whole before is in a pack of the index. Needs an exclusive lock held by the caller. kNotFound
// when neither storage nor index has one of the packs; then nothing is changed. REQUIRES: the index
// was loaded after the lock was taken.
Result<PackRepairReport> RepairPacks(Repository& repository, std::span<const Id> packs,
                                     const PackRepairOptions& options, Progress& progress,
                                     std::stop_token stop);

}  // namespace holdfast::repository
