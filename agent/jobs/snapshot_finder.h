// Snapshots of several repositories: their list, and finding the one that is meant.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/repository/snapshot_reader.h"

namespace holdfast::jobs {

// The snapshots of one repository, or why they are not known.
struct RepositoryListing {
  std::string repository;
  std::vector<repository::SnapshotInfo> snapshots;  // by ascending time
  std::optional<Error> error;
};

// Lists each repository; takes no lock and writes nothing. `selector` is "kind/name" with `*`,
// which snapshots that Holdfast did not make never match; empty: all.
std::vector<RepositoryListing> ListRepositories(const JobContext& context,
                                                const std::vector<RepositoryAddress>& repositories,
                                                std::string_view selector);

struct FoundSnapshot {
  repository::SnapshotInfo snapshot;
  std::unique_ptr<RepositorySession> session;
  std::vector<std::string> warnings;  // repositories that could not be looked into
};

// Finds the snapshot that FindSnapshot() finds by `selector`, in exactly one of the repositories.
// kNotFound in all of them, kInvalidArgument in more than one. A repository that cannot be looked
// into is a warning when another one has the snapshot, else the error; of "latest", the newest of
// all, it always is the error.
Result<FoundSnapshot> FindInRepositories(const JobContext& context,
                                         const std::vector<RepositoryAddress>& repositories,
                                         std::string_view selector, LockUse lock_use,
                                         LockWait wait = LockWait::kHere);

}  // namespace holdfast::jobs
