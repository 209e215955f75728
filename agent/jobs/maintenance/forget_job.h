// Forgets snapshots: named ones, or all that a policy does not keep. A later prune removes their
// data.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/repository/snapshot/retention.h"

namespace holdfast::jobs {

struct ForgetOptions {
  std::vector<std::string> snapshots;  // as FindSnapshot() takes them; empty: by the policy
  repository::RetentionPolicy policy;
  repository::SnapshotGrouping grouping;
  // With the policy: only these sources, "kind/name" with `*`; empty: all.
  std::string selector;
  bool dry_run = false;
  // How many of the newest good snapshots of each source always stay (the floor). Unset: the
  // repository's min_keep.
  std::optional<unsigned> min_keep = std::nullopt;
  bool allow_below_floor = false;
};

// JSON: docs/json.md#repository-forget.
struct ForgetReport {
  ForgetReport() = default;
  ForgetReport(ForgetReport&&) = default;  // not copyable: the verdicts refer to `snapshots`
  ForgetReport& operator=(ForgetReport&&) = default;

  struct Group {
    std::string host;
    std::vector<std::string> paths;
    std::vector<std::string> tags;
    std::vector<repository::RetentionVerdict> verdicts;  // newest first; refer to `snapshots`
  };
  std::string repository;
  bool dry_run = false;
  std::vector<repository::SnapshotInfo> snapshots;
  std::vector<Group> groups;                         // named snapshots are a single group
  std::vector<repository::RetentionVerdict> safety;  // newest first; refer to `snapshots`
  unsigned forgotten = 0;                            // with dry_run: would be forgotten
  unsigned kept_by_floor = 0;                        // that the policy alone would have forgotten
  std::optional<Error> error;                        // why some selected ones were not forgotten
};

// Safety snapshots are judged only by JudgeSafetySnapshots(), unless they are named. Holds an
// exclusive lock, except for a dry run. Fails without forgetting anything: kNotFound if a named
// snapshot does not exist; kDenied if a named one belongs to the floor, or if the policy would
// leave nothing of a group; kUnavailable if a listed snapshot file is missing; the read error if a
// snapshot cannot be read now.
Result<ForgetReport> RunForget(const JobContext& context, const RepositoryAddress& address,
                               const ForgetOptions& options);

// Removes the safety snapshots that JudgeSafetySnapshots() does not keep, and returns their number.
// REQUIRES: `session` holds an exclusive lock, unless `dry_run`.
Result<unsigned> ForgetOldSafetySnapshots(const JobContext& context, RepositorySession& session,
                                          bool dry_run);

}  // namespace holdfast::jobs
