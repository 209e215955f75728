// What one backup task saves of its source. Orders, tasks and the sessions of sources use it.
//
// A local source has one task, which saves everything. For a replicated source, one member's task
// saves the whole state, and the task of every other member saves only that member's own files. For
// a sharded source, each node's task saves the shards nearest to it, as the kind decides (Kafka:
// those that the node's broker leads), and one more task then saves the rest: the shards that no
// other part has.
#pragma once

#include <cstdint>

namespace holdfast {

enum class BackupScope : std::uint8_t {
  kOnlyPart,  // kWhole; the task also composes the snapshot, which has no other part
  kWhole,     // the service's state, and this member's own files
  kMember,    // only this member's own files, all below "members/<node>/"
  // Only for sharded sources:
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
