// The kinds of source that this build's agents know, and how their snapshots are restored. The
// build generates the table from agent/sources: see agent/kind_table.
#pragma once

#include <vector>

#include "common/config/snapshot_kind.h"

namespace holdfast::cli {

const std::vector<config::SnapshotKind>& KindTable();

}  // namespace holdfast::cli
