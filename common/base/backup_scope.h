// What one backup task saves of its source: from the order to the source's session.
//
// One task saves a local source. Of a replicated source, one task saves everything, and the tasks
// of all other members only their own files. Of a sharded source, each node's task saves the shards
// nearest to it; then one more task saves the rest.
#pragma once

#include <cstdint>

namespace holdfast {

enum class BackupScope : std::uint8_t {
  kOnlyPart,  // kWhole; the task also composes the snapshot, which has no other part
  kWhole,     // the service's state, and this member's own files
  kMember,    // only this member's own files, all below "members/<node>/"
  // Of sharded sources:
  kLead,          // the shards nearest to this node, what belongs to no shard, and its own files
  kShards,        // kLead without what belongs to no shard; at least one other node has kLead
  kRest,          // the shards that no other part has; nothing below "members/"
  kRestWithData,  // kRest, and what belongs to no shard, because no kLead was saved
};

// Whether it includes the data: the whole state, or what belongs to no shard. Exactly one part of a
// snapshot has the data.
constexpr bool HasData(BackupScope scope) {
  return scope == BackupScope::kOnlyPart || scope == BackupScope::kWhole ||
         scope == BackupScope::kLead || scope == BackupScope::kRestWithData;
}
constexpr bool IsRest(BackupScope scope) {
  return scope == BackupScope::kRest || scope == BackupScope::kRestWithData;
}
constexpr bool IsSharded(BackupScope scope) { return scope >= BackupScope::kLead; }

// How orders, parts and the catalog describe a scope.
struct ScopeFlags {
  bool data = false;
  bool rest = false;
  bool sharded = false;
  bool compose = false;
};
constexpr BackupScope ScopeOf(const ScopeFlags& flags) {
  if (flags.rest) return flags.data ? BackupScope::kRestWithData : BackupScope::kRest;
  if (flags.sharded) return flags.data ? BackupScope::kLead : BackupScope::kShards;
  if (flags.compose) return BackupScope::kOnlyPart;
  return flags.data ? BackupScope::kWhole : BackupScope::kMember;
}

}  // namespace holdfast
