// How operators name what the catalog knows: snapshots, runs and drafts by the beginning of their
// ids, or in words.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "controller/catalog/catalog_reader.h"
#include "controller/core/records.h"

namespace holdfast::controller {

// An id's beginning in hexadecimal, "latest:kind/name[@host]" or "run:ULID:kind/name[@host]". The
// latest is the newest whole one. kNotFound, and kInvalidArgument for what fits several.
Result<SnapshotRecord> FindSnapshot(CatalogReader& reader, std::string_view name);

// A run's ULID from its beginning, in upper or lower case. kNotFound, kInvalidArgument as above.
Result<std::string> FindRun(CatalogReader& reader, std::string_view name);
Result<DraftRecord> FindDraft(CatalogReader& reader, std::string_view name);

}  // namespace holdfast::controller
