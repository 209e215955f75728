// The kinds of sources that this agent knows, in the order in which help lists them.
#pragma once

#include <string_view>
#include <vector>

#include "agent/sources/source.h"

namespace holdfast {

// All kinds, each with its restore methods.
const std::vector<SourceKind>& AllSourceKinds();
// What command lines say about the snapshots of `kinds`, in the same order.
std::vector<config::SnapshotKind> SnapshotKindsOf(const std::vector<SourceKind>& kinds);
// Null if there is no such kind.
const SourceKind* FindSourceKind(std::string_view kind);

}  // namespace holdfast
