// ZooKeeper's snapshot file, "snapshot.<zxid>": a tree as it was written out while it changed. As
// FileSnap, DataTree and SnapStream in ZooKeeper's sources have it (jute.h says how numbers lie):
//
//   "ZKSN", 2 (4 bytes), -1 (8 bytes)
//   number of sessions; each: id, timeout
//   number of ACL lists; each: number, vector of {permissions, scheme, id}
//   nodes, parents before children, the root's path being "": path, data, ACL list, what stat tells
//   the path "/"
//   seal: Adler-32 of all before it (8 bytes), the text "/"
//   from 3.6 on, unless switched off: zxid, version and digest of the tree, and a seal
//   from 3.9 on, unless switched off: the last zxid, and a seal
//
// A seal that is right is what tells a whole snapshot from one that was cut off; names and sizes do
// not. Transactions went on while it was written: the tree is right only together with the log's
// records from its zxid on up to the last that were applied when it ended (fuzzy_end).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/zookeeper/acl.h"
#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/stream/item.h"

namespace holdfast::zookeeper {

// What ZooKeeper keeps of a node besides its data.
struct NodeStat {
  std::int64_t czxid = 0;
  std::int64_t mzxid = 0;
  std::int64_t ctime = 0;
  std::int64_t mtime = 0;
  std::int32_t version = 0;
  std::int32_t cversion = 0;
  std::int32_t aversion = 0;
  std::int64_t owner = 0;  // a session, or a mark of another kind of node
  std::int64_t pzxid = 0;
  bool operator==(const NodeStat&) const = default;
};

// Valid while it is visited.
struct SnapshotNode {
  std::string_view path;         // "" for the root
  std::optional<ByteView> data;  // nullopt: null
  std::int64_t acl = 0;          // number of its list; -1: everybody may do all
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
  std::uint64_t nodes = 0;  // the root among them
  // Of the tree when the snapshot ended; nullopt where ZooKeeper wrote none.
  std::optional<ZxidDigest> digest;
  std::optional<std::int64_t> last_zxid;
  // The last transaction that may have left a trace in the snapshot, as far as it says itself; 0
  // where it does not.
  std::int64_t fuzzy_end() const;
};

// Reads a snapshot to its end and checks every seal. `content` is what Decompress() gives. kCorrupt
// when it is none, is damaged or ends too early; kCancelled; the errors of `content` and of the
// visitor. Memory is bounded by the largest node.
Result<SnapshotSummary> ReadSnapshot(ByteReader& content, const SnapshotVisitor& visitor,
                                     const std::stop_token& stop);

// "snapshot.<zxid, hexadecimal>" or "log.<zxid>", with a compression's ending or without; nullopt
// for all others.
std::optional<std::int64_t> ZxidOf(std::string_view name, std::string_view prefix);

}  // namespace holdfast::zookeeper
