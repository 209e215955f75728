// Composes one snapshot of the parts that the tasks of one or several nodes left in a repository.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/parts/composition.h"
#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/base/backup_scope.h"
#include "common/repository/format/types.h"

namespace holdfast::jobs {

// The compose order for run context.run. The parts are described by their own part.json.
struct ComposeRequest {
  struct Part {
    std::string node;
    repository::Id tree;
    BackupScope scope = BackupScope::kWhole;
    std::uint64_t bytes_added = 0;  // as reported by its task
    std::uint64_t bytes_stored = 0;
  };
  struct Lacking {
    std::string node;  // empty: the shards of a sharded source that no node saved
    std::string reason;
  };

  std::string kind;
  std::string name;
  std::string host;  // the snapshot's host
  std::string note;
  std::vector<Part> parts;       // exactly one has the data, and at most one is a rest
  std::vector<Lacking> lacking;  // members missing from the snapshot
  bool cut_barrier_met = false;
};

struct ComposeReport {
  std::optional<Error> error;  // otherwise `snapshot` is set
  // A write of the snapshot file was started, so it may exist despite an error.
  bool began = false;
  ComposedSnapshot snapshot;
};

// Runs under its own lock. Returns the run's snapshot if it already exists. Otherwise writes the
// snapshot that an earlier attempt journaled. Otherwise checks that all packs of all parts exist,
// merges the parts and creates the snapshot. No write of the snapshot file starts after `deadline`;
// until then a write that fails with kUnavailable is retried.
//
// kInvalidArgument: the request is inconsistent. kCorrupt: data of a part is missing; the error
// names node and pack. kTimedOut: the deadline has passed.
ComposeReport RunCompose(const JobContext& context, const RepositoryAddress& address,
                         const ComposeRequest& request, SealedJournal& journal, WallTime deadline);

}  // namespace holdfast::jobs
