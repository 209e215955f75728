// Finds damage: what is missing, altered or contradictory, and which snapshots and paths need it.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/repository/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct CheckOptions {
  bool read_data = false;  // every pack read, hashed, each blob opened and hashed
};

struct CheckReport {
  std::uint64_t snapshots = 0;
  std::uint64_t packs = 0;
  std::uint64_t blobs = 0;
  std::uint64_t trees = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t packs_unreferenced = 0;  // garbage of interrupted runs; harmless
  std::vector<std::string> errors;       // empty: sound
  std::vector<std::string> hints;        // worth knowing, no damage
};

// Needs a non-exclusive lock held by the caller. Lists snapshots before it reads the index, so that
// a backup running meanwhile is no damage. An error only when the storage fails; damage is in the
// report.
Result<CheckReport> CheckRepository(Repository& repository, const CheckOptions& options,
                                    Progress& progress, std::stop_token stop);

}  // namespace holdfast::repository
