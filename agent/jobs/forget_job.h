// Takes snapshots off a repository's list: named ones, or all that a policy does not keep. What
// only they needed goes when the repository is pruned.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/repository/retention.h"

namespace holdfast::jobs {

struct ForgetOptions {
  std::vector<std::string> snapshots = {};  // as FindSnapshot() takes them; empty: by the policy
  repository::RetentionPolicy policy = {};
  repository::SnapshotGrouping grouping = {};
  std::string selector =
      {};  // with the policy: only these sources, "kind/name" with `*`; empty: all
  bool dry_run = false;
  // The newest good snapshots of each source that stay, whatever else is said; where it is not
  // said, as many as the repository's address says.
  std::optional<unsigned> min_keep = std::nullopt;
  bool allow_below_floor = false;
};

// JSON: docs/json.md#repository-forget.
struct ForgetReport {
  ForgetReport() = default;
  ForgetReport(ForgetReport&&) = default;  // and no copy: the verdicts refer to `snapshots`
  ForgetReport& operator=(ForgetReport&&) = default;

  struct Group {
    std::string host;
    std::vector<std::string> paths;
    std::vector<std::string> tags;
    std::vector<repository::RetentionVerdict> verdicts;  // newest first; of `snapshots`
  };
  std::string repository;
  bool dry_run = false;
  std::vector<repository::SnapshotInfo> snapshots;
  std::vector<Group> groups;                         // of named snapshots one, with those alone
  std::vector<repository::RetentionVerdict> safety;  // newest first; of `snapshots`
  unsigned forgotten = 0;                            // with dry_run: would be
  unsigned kept_by_floor = 0;                        // that the policy alone would have forgotten
  std::optional<Error> error;                        // why not all were forgotten that were to be
};

// Safety snapshots are judged by JudgeSafetySnapshots() alone, except those that are named.
// An exclusive lock is held meanwhile; a dry run takes none. kNotFound for a named snapshot that is
// not there, kDenied for one that belongs to the floor and for a policy that would leave nothing of
// a group, kUnavailable when a snapshot that is listed is not there, and the error of one that
// cannot be read now: then none is forgotten.
Result<ForgetReport> RunForget(const JobContext& context, const RepositoryAddress& address,
                               const ForgetOptions& options);

// Removes the safety snapshots that JudgeSafetySnapshots() does not keep and returns how many.
// REQUIRES: `session` holds an exclusive lock, unless `dry_run`.
Result<unsigned> ForgetOldSafetySnapshots(const JobContext& context, RepositorySession& session,
                                          bool dry_run);

}  // namespace holdfast::jobs
