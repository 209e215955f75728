// What is in a repository, a page at a time: for a catalog that has lost its own knowledge.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/composition.h"
#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/base/clock.h"
#include "common/repository/types.h"

namespace holdfast::jobs {

inline constexpr std::size_t kInventoryPageMax = 1000;

struct InventoriedSnapshot {
  repository::Id id;
  std::string source;  // "kind/name"; empty for snapshots that Holdfast did not make
  std::string host;
  std::string run;
  UnixTime time;
  bool is_partial = false;
  bool is_invalid = false;
  bool is_safety = false;  // `source` is the one that it was taken of
  std::optional<repository::Id> parent;
  SnapshotCounts counts;
  std::string note;
  // What of it could not be read; the rest is as far as it is known. A damaged snapshot must not
  // hide the others.
  std::optional<Error> error;
};

struct InventoryPage {
  std::string repository_id;
  std::vector<InventoriedSnapshot> snapshots;  // by ascending id
  bool more = false;                           // go on behind the last one
};

// The snapshots behind `after` (none: from the first), at most `count_max`. Takes a lock where it
// can, since it reads manifests.
Result<InventoryPage> RunInventory(const JobContext& context, const RepositoryAddress& address,
                                   const std::optional<repository::Id>& after,
                                   std::size_t count_max = kInventoryPageMax);

}  // namespace holdfast::jobs
