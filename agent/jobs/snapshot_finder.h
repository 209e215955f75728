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
  std::vector<std::string> sources;  // of all its snapshots: "etcd/main@prod", ascending
  std::optional<Error> error;
};

// Lists each repository; takes no lock and writes nothing. `selector` is as MatchesSource() takes
// it, which snapshots that Holdfast did not make never match; empty: all. `with_safety`: safety
// snapshots too, which match by the name of their source.
std::vector<RepositoryListing> ListRepositories(const JobContext& context,
                                                const std::vector<RepositoryAddress>& repositories,
                                                std::string_view selector,
                                                bool with_safety = false);

// Whether `selector`, "kind/name[@host]" with `*`, fits the snapshot by the name that its source
// has in it: `name`, or source_name(). It never fits one that Holdfast did not make.
bool MatchesSource(std::string_view selector, const repository::SnapshotInfo& snapshot,
                   std::string_view name);
// The configured sources and those of `snapshots`, as "kind/name@host", ascending.
std::vector<std::string> KnownSources(const JobContext& context,
                                      const std::vector<repository::SnapshotInfo>& snapshots);
// kNotFound, with the nearest name, when `selector` fits none of `known`, which are
// "kind/name@host".
Result<void> CheckSelector(std::string_view selector, const std::vector<std::string>& known);
// CheckSelector() of a list. What a repository holds that cannot be read is not known: no error.
Result<void> CheckListed(const JobContext& context, std::string_view selector,
                         const std::vector<RepositoryListing>& listings);

// The repository that the source of "latest:kind/name[@host]" is configured with on this node; null
// for other selectors, and for sources that this node does not have.
const RepositorySettings* OwnRepository(const JobContext& context, std::string_view selector);

struct FoundSnapshot {
  repository::SnapshotInfo snapshot;
  std::unique_ptr<RepositorySession> session;
  std::vector<std::string> warnings;  // repositories that could not be looked into
};

// FindSnapshot() by context.latest; a note of `subject` names the newer snapshots that `latest`
// passed over.
Result<repository::SnapshotInfo> ChooseSnapshot(
    const JobContext& context, const std::string& subject,
    const std::vector<repository::SnapshotInfo>& snapshots, std::string_view selector);

// Which snapshot is meant.
struct SnapshotChoice {
  std::string selector;  // as FindSnapshot() takes it
  bool is_undo = false;  // `selector` is as FindSafetySnapshot() takes it
};

// Finds the snapshot that is chosen, in exactly one of the repositories: of several, in
// OwnRepository() alone. A warning names newer
// snapshots that `latest` passed over by context.latest.
// kNotFound in all of them, kInvalidArgument in more than one. A repository that cannot be looked
// into is a warning when another one has the snapshot, else the error; of "latest", the newest of
// all, it always is the error.
Result<FoundSnapshot> FindInRepositories(const JobContext& context,
                                         const std::vector<RepositoryAddress>& repositories,
                                         const SnapshotChoice& choice, LockUse lock_use,
                                         LockWait wait = LockWait::kHere);

}  // namespace holdfast::jobs
