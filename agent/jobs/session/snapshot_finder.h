// Lists and finds snapshots in several repositories.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::jobs {

// The snapshots of one repository, or the error.
struct RepositoryListing {
  std::string repository;
  std::vector<repository::SnapshotInfo> snapshots;  // by ascending time
  std::vector<std::string> sources;  // of all its snapshots: "etcd/main@prod", ascending
  std::optional<Error> error;
};

// Lists each repository. Takes no lock and writes nothing. `selector` as in MatchesSource(); empty:
// all. `with_safety`: includes safety snapshots, matched by the name of their source.
std::vector<RepositoryListing> ListRepositories(const JobContext& context,
                                                const std::vector<RepositoryAddress>& repositories,
                                                std::string_view selector,
                                                bool with_safety = false);

// Whether `selector`, "kind/name[@host]" with `*`, matches the snapshot if its source is called
// `name`: the name in the snapshot, or source_name(). Never matches a snapshot that Holdfast did
// not make.
bool MatchesSource(std::string_view selector, const repository::SnapshotInfo& snapshot,
                   std::string_view name);
// The configured sources and those of `snapshots`, as "kind/name@host", in ascending order.
std::vector<std::string> KnownSources(const JobContext& context,
                                      const std::vector<repository::SnapshotInfo>& snapshots);
// kNotFound, with the nearest name, if `selector` matches no entry of `known` ("kind/name@host").
Result<void> CheckSelector(std::string_view selector, const std::vector<std::string>& known);
// CheckSelector() for listings. No error if a repository could not be read completely.
Result<void> CheckListed(const JobContext& context, std::string_view selector,
                         const std::vector<RepositoryListing>& listings);

// The configured repository of the source of "latest:kind/name[@host]". Null for other selectors
// and for sources that this node does not have.
const RepositorySettings* OwnRepository(const JobContext& context, std::string_view selector);

struct FoundSnapshot {
  repository::SnapshotInfo snapshot;
  std::unique_ptr<RepositorySession> session;
  std::vector<std::string> warnings;  // repositories that could not be searched
};

// FindSnapshot() with context.latest. Notes for `subject` the newer snapshots that `latest`
// skipped.
Result<repository::SnapshotInfo> ChooseSnapshot(
    const JobContext& context, const std::string& subject,
    const std::vector<repository::SnapshotInfo>& snapshots, std::string_view selector);

struct SnapshotChoice {
  std::string selector;  // as FindSnapshot() takes it
  bool is_undo = false;  // `selector` is as FindSafetySnapshot() takes it
  // Called with the snapshot that was found, and with the list of its repository. An error ends the
  // search.
  std::function<Result<void>(const repository::SnapshotInfo&, const repository::SnapshotListing&)>
      check = nullptr;
};

// Finds a snapshot that is in exactly one of the repositories. If several are given and
// OwnRepository() is known, searches only that one. A warning names newer snapshots that `latest`
// skipped because of context.latest. kNotFound if no repository has it, kInvalidArgument if several
// have it. A repository that cannot be searched is a warning if another one has the snapshot,
// otherwise an error. For "latest", the newest of all, it is always an error.
Result<FoundSnapshot> FindInRepositories(const JobContext& context,
                                         const std::vector<RepositoryAddress>& repositories,
                                         const SnapshotChoice& choice, LockUse lock_use,
                                         LockWait wait = LockWait::kHere);

}  // namespace holdfast::jobs
