// A node of a saved tree with all below it, as it was after a transaction: read from the snapshot
// and the logs behind it, with data and ACLs, and nothing of the rest of the tree.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/zookeeper/snapshot_file.h"
#include "agent/sources/zookeeper/tree_facts.h"
#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::zookeeper {

struct SavedNode {
  std::optional<Bytes> data;
  std::vector<AclEntry> acl;
  std::int64_t owner = 0;
  bool operator==(const SavedNode&) const = default;
};

// By path, "/" for the root: a node comes before what is below it.
struct SavedTree {
  std::map<std::string, SavedNode> nodes;
  std::map<std::string, SavedNode> above;  // the nodes that the path leads through
  std::int64_t zxid = 0;                   // of the last transaction that was played back
  bool has_later = false;                  // the logs go on behind that
};

// What a node is, by its owner.
enum class NodeKind : std::uint8_t { kPersistent, kEphemeral, kContainer, kTtl };
NodeKind KindOf(std::int64_t owner);
std::int64_t TtlOf(std::int64_t owner);  // in milliseconds; REQUIRES: KindOf() is kTtl

// All of it is in memory: kUnsupported where that would be more than `bytes_max`. kNotFound when
// there is no such node. The errors of ReadSnapshot(), LogReader and DecodeTxn().
Result<SavedTree> ReadSavedTree(const TreeFiles& files, std::string_view path, std::int64_t until,
                                std::size_t bytes_max, const std::stop_token& stop);

}  // namespace holdfast::zookeeper
