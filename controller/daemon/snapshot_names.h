// Finds what operators name in the catalog: snapshots, runs and drafts by a prefix of their ids, or
// in words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "controller/catalog/catalog_reader.h"
#include "controller/core/records.h"

namespace holdfast::controller {

// How a name is resolved.
struct SnapshotRule {
  bool allow_partial = false;  // `latest` may be a partial snapshot
  bool allow_invalid = false;  // `latest` may be an invalid one
  bool undo = false;           // find a safety snapshot
  // Which host, if several have snapshots. kNotFound if no such node is known.
  std::string node;
};

struct NamedSnapshot {
  SnapshotRecord snapshot;
  // Newer snapshots that `latest` skipped, newest first, at most 5: "3fa2b1c4 (partial)".
  std::vector<std::string> passed_over;
};

// Finds a snapshot by "latest:kind/name[@host]" (the newest complete and valid backup in the
// source's configured repository, unless `rule` allows others), "run:ULID:kind/name", or a prefix
// of its id; with rule.undo also by "kind/name[@host]". kNotFound; kInvalidArgument if several
// match.
Result<NamedSnapshot> FindSnapshot(CatalogReader& reader, std::string_view name,
                                   const SnapshotRule& rule = {});

// A run's ULID, or a draft, by a prefix or suffix in upper or lower case. kNotFound with the most
// similar one; kInvalidArgument with the first matches. Open drafts come first.
Result<std::string> FindRun(CatalogReader& reader, std::string_view name);
Result<DraftRecord> FindDraft(CatalogReader& reader, std::string_view name);

// kNotFound, with the most similar name, if no agent, backup or snapshot has it. For a source, both
// may have `*`, and `node` may be empty; it is the host of snapshots.
Result<void> CheckNodeKnown(CatalogReader& reader, const std::string& node);
Result<void> CheckSourceKnown(CatalogReader& reader, const std::string& source,
                              const std::string& node);

}  // namespace holdfast::controller
