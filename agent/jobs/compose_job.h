// Makes one snapshot of the parts that several nodes' tasks left in a repository.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/composition.h"
#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/repository/types.h"

namespace holdfast::jobs {

// The order, of context.run. What the parts say of themselves comes from their part.json.
struct ComposeRequest {
  struct Part {
    std::string node;
    repository::Id tree;
    bool has_data = false;          // of exactly one
    bool is_rest = false;           // of a sharded source; of one at most
    std::uint64_t bytes_added = 0;  // as its task reported it
    std::uint64_t bytes_stored = 0;
  };
  struct Lacking {
    std::string node;
    std::string reason;
    bool is_rest = false;  // of a sharded source: what no node has saved by itself
  };

  std::string kind;
  std::string name;
  std::string host;  // as the snapshot will carry it
  std::string note;
  std::vector<Part> parts;
  std::vector<Lacking> lacking;  // members that the snapshot goes without
  bool is_sharded = false;
  bool cut_barrier_met = false;
};

struct ComposeReport {
  std::optional<Error> error;  // else `snapshot` holds
  // A write of the snapshot file was begun: it may be there although there is an error.
  bool began = false;
  ComposedSnapshot snapshot;
};

// Under a lock of its own: gives the run's snapshot when it exists already; else writes what an
// earlier try had journaled; else checks that each pack of each part is there, merges the parts
// and makes the snapshot. No write of the snapshot file begins after `deadline`; until then one
// that failed because the storage was unavailable is tried again.
//
// kInvalidArgument for an order that makes no sense; kCorrupt, naming the part's node and the pack,
// when the repository lacks something of a part; kTimedOut after the deadline.
ComposeReport RunCompose(const JobContext& context, const RepositoryAddress& address,
                         const ComposeRequest& request, SealedJournal& journal, WallTime deadline);

}  // namespace holdfast::jobs
