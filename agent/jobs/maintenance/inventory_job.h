// Lists the snapshots of a repository page by page, to rebuild a lost catalog.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/parts/composition.h"
#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/base/clock.h"
#include "common/repository/format/types.h"

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
  // Why the snapshot could not be read; then the other fields are incomplete. One damaged snapshot
  // must not hide the others.
  std::optional<Error> error;
};

struct InventoryPage {
  std::string repository_id;
  std::vector<InventoriedSnapshot> snapshots;  // by ascending id
  bool more = false;                           // continue after the last one
};

// Returns at most `count_max` snapshots with ids greater than `after` (nullopt: from the first).
// Takes a lock if it can, because it reads manifests.
Result<InventoryPage> RunInventory(const JobContext& context, const RepositoryAddress& address,
                                   const std::optional<repository::Id>& after,
                                   std::size_t count_max = kInventoryPageMax);

}  // namespace holdfast::jobs
