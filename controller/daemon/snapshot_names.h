// How operators name what the catalog knows: snapshots, runs and drafts by the beginning of their
// ids, or in words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "controller/catalog/catalog_reader.h"
#include "controller/core/records.h"

namespace holdfast::controller {

// How a name is read.
struct SnapshotRule {
  bool allow_partial = false;  // `latest` may be a partial snapshot
  bool allow_invalid = false;  // `latest` may be an invalid one
  bool undo = false;           // a safety snapshot is meant
  std::string node = {};       // of several hosts' snapshots, the host that is meant
};

struct NamedSnapshot {
  SnapshotRecord snapshot;
  // Newer snapshots that `latest` passed over, newest first, at most 5: "3fa2b1c4 (partial)".
  std::vector<std::string> passed_over;
};

// Finds a snapshot by "latest:kind/name[@host]" (the newest complete and valid backup, as `rule`
// widens it), "run:ULID:kind/name", or the beginning of an id; with rule.undo also by
// "kind/name[@host]". kNotFound; kInvalidArgument where several match.
Result<NamedSnapshot> FindSnapshot(CatalogReader& reader, std::string_view name,
                                   const SnapshotRule& rule = {});

// A run's ULID from its beginning, in upper or lower case. kNotFound, kInvalidArgument as above.
Result<std::string> FindRun(CatalogReader& reader, std::string_view name);
Result<DraftRecord> FindDraft(CatalogReader& reader, std::string_view name);

}  // namespace holdfast::controller
