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
  // Of several hosts' snapshots, the host that is meant. kNotFound if no such node is known.
  std::string node = {};
};

struct NamedSnapshot {
  SnapshotRecord snapshot;
  // Newer snapshots that `latest` passed over, newest first, at most 5: "3fa2b1c4 (partial)".
  std::vector<std::string> passed_over;
};

// Finds a snapshot by "latest:kind/name[@host]" (the newest complete and valid backup in the
// repository that the source is configured with, as `rule` widens it), "run:ULID:kind/name", or the
// beginning of an id; with rule.undo also by "kind/name[@host]". kNotFound; kInvalidArgument where
// several match.
Result<NamedSnapshot> FindSnapshot(CatalogReader& reader, std::string_view name,
                                   const SnapshotRule& rule = {});

// A run's ULID, or a draft, from its beginning or its end, in upper or lower case. kNotFound with
// the nearest; kInvalidArgument with the first that the name fits. Of drafts those that are open
// are meant first.
Result<std::string> FindRun(CatalogReader& reader, std::string_view name);
Result<DraftRecord> FindDraft(CatalogReader& reader, std::string_view name);

// kNotFound, with the nearest name, if no agent, backup or snapshot is of it. Both of a source may
// have `*`; `node` may be empty, and is the host of snapshots.
Result<void> CheckNodeKnown(CatalogReader& reader, const std::string& node);
Result<void> CheckSourceKnown(CatalogReader& reader, const std::string& source,
                              const std::string& node);

}  // namespace holdfast::controller
