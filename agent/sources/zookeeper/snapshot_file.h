// ZooKeeper's snapshot file, "snapshot.<zxid>": a tree that was written while it changed. Format:
// FileSnap, DataTree and SnapStream in ZooKeeper's sources; encoding: jute.h.
//
//   "ZKSN", 2 (4 bytes), -1 (8 bytes)
//   number of sessions; each: id, timeout
//   number of ACL lists; each: number, vector of {permissions, scheme, id}
//   nodes, parents before children, the root's path being "": path, data, ACL list, stat
//   the path "/"
//   seal: Adler-32 of everything before it (8 bytes), the text "/"
//   since 3.6, unless disabled: zxid, version and digest of the tree, and a seal
//   since 3.9, unless disabled: the last zxid, and a seal
//
// Only a valid seal distinguishes a complete snapshot from a truncated one; names and sizes do not.
// The tree changed while it was written, so it is consistent only together with the log's records
// from its zxid up to the last one that was applied when it ended (fuzzy_end).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string_view>
#include <vector>

#include "agent/sources/zookeeper/acl.h"
#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/stream/item.h"

namespace holdfast::zookeeper {

// What ZooKeeper stores of a node besides data and ACL.
struct NodeStat {
  std::int64_t czxid = 0;
  std::int64_t mzxid = 0;
  std::int64_t ctime = 0;
  std::int64_t mtime = 0;
  std::int32_t version = 0;
  std::int32_t cversion = 0;
  std::int32_t aversion = 0;
  std::int64_t owner = 0;  // a session, or a marker of another type of node
  std::int64_t pzxid = 0;
  bool operator==(const NodeStat&) const = default;
};

// Valid during the visit.
struct SnapshotNode {
  std::string_view path;         // "" for the root
  std::optional<ByteView> data;  // nullopt: null
  std::int64_t acl = 0;          // number of its ACL list; -1: everyone may do everything
  NodeStat stat;
};

struct SnapshotVisitor {
  std::function<Result<void>(std::int64_t number, std::vector<AclEntry>&& acl)> acl = nullptr;
  std::function<Result<void>(const SnapshotNode& node)> node = nullptr;
};

struct ZxidDigest {
  std::int64_t zxid = 0;
  std::int32_t version = 0;
  std::uint64_t digest = 0;
  bool operator==(const ZxidDigest&) const = default;
};

struct SnapshotSummary {
  std::uint64_t sessions = 0;
  std::uint64_t nodes = 0;  // including the root
  // The digest of the tree when the snapshot ended; nullopt if ZooKeeper wrote no digest.
  std::optional<ZxidDigest> digest;
  std::optional<std::int64_t> last_zxid;
  // The last transaction that may have left traces in the snapshot, as far as the snapshot records
  // it; otherwise 0.
  std::int64_t fuzzy_end() const;
};

// Reads a whole snapshot and checks every seal. `content` is the result of Decompress(). kCorrupt
// if it is not a snapshot, is damaged or truncated; kUnsupported for another version; kCancelled;
// the errors of `content` and of the visitor. Memory is bounded by the largest node.
Result<SnapshotSummary> ReadSnapshot(ByteReader& content, const SnapshotVisitor& visitor,
                                     const std::stop_token& stop);

// The zxid in "snapshot.<zxid, hexadecimal>" or "log.<zxid>", with or without the suffix of a
// compression; nullopt for any other name.
std::optional<std::int64_t> ZxidOf(std::string_view name, std::string_view prefix);

}  // namespace holdfast::zookeeper
