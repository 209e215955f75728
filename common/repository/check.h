// Finds damage: what is missing, altered or contradictory, and which snapshots and paths need it.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/repository/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

// Which packs are read: those of one bucket of several, or so many of them, drawn at random. As
// restic's --read-data-subset: bucket N of M holds the packs whose id's first byte leaves N-1 when
// divided by M, so that M checks with ascending N read everything.
struct ReadSubset {
  unsigned bucket = 1;  // 1..buckets
  unsigned buckets = 1;
  double share = 1;  // above 0, up to 1, of the packs of the bucket; at least one pack
};
// "2/7", "10%" or "2.5%". kInvalidArgument.
Result<ReadSubset> ParseReadSubset(std::string_view text);

struct CheckOptions {
  bool read_data = false;  // packs read, hashed, each blob opened and hashed
  ReadSubset subset = {};  // with read_data
};

struct CheckReport {
  std::uint64_t snapshots = 0;
  std::uint64_t packs = 0;
  std::uint64_t blobs = 0;
  std::uint64_t trees = 0;
  std::uint64_t packs_read = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t packs_unreferenced = 0;  // garbage of interrupted runs; harmless
  std::vector<std::string> errors;       // damage, and what cannot be had; empty: sound
  std::vector<std::string> hints;        // worth knowing, no damage

  // Of what is out of reach, once however many files it is for.
  void AddHintOf(const Error& error);
};

// Needs a non-exclusive lock held by the caller. Lists snapshots before it reads the index, so that
// a backup running meanwhile is no damage. An error only when the storage fails; damage is in the
// report, and so are single files that it does not give (IsOutOfReach()), as what "cannot be had".
Result<CheckReport> CheckRepository(Repository& repository, const CheckOptions& options,
                                    Progress& progress, std::stop_token stop);

}  // namespace holdfast::repository
