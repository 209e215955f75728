// A node of a saved tree with everything below it, as it was after a transaction. It is read from
// the snapshot and the logs after it, with data and ACLs, without the rest of the tree. It is kept
// in a temporary file, so memory is bounded by the largest node.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "agent/sources/zookeeper/snapshot_file.h"
#include "agent/sources/zookeeper/tree_facts.h"
#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/database/database.h"

namespace holdfast::zookeeper {

struct SavedNode {
  std::optional<Bytes> data;
  std::vector<AclEntry> acl;
  std::int64_t owner = 0;
  bool operator==(const SavedNode&) const = default;
};

// The type of a node, derived from its owner.
enum class NodeKind : std::uint8_t { kPersistent, kEphemeral, kContainer, kTtl };
NodeKind KindOf(std::int64_t owner);
std::int64_t TtlOf(std::int64_t owner);  // in milliseconds; REQUIRES: KindOf() is kTtl

// Used by one thread at a time.
class SavedTree {
 public:
  using Visit = std::function<Result<void>(const std::string& path, const SavedNode& node)>;

  // Reads `path` as it was after `until`. The temporary file is in `directory` (empty: the system's
  // default) and disappears with the object or the process. kNotFound if there is no such node;
  // kNoSpace; the errors of ReadSnapshot(), LogReader and DecodeTxn().
  static Result<SavedTree> Read(const TreeFiles& files, const std::string& path, std::int64_t until,
                                const std::string& directory, const std::stop_token& stop);

  // Visits all nodes depth-first, from the node itself on: each comes before everything below it,
  // and all of that before any other node. Stops at the first error of `visit`.
  Result<void> ForEach(const Visit& visit);
  std::uint64_t size() const { return size_; }
  // The nodes above the path, from "/" on.
  const std::map<std::string, SavedNode>& above() const { return above_; }
  std::int64_t zxid() const { return zxid_; }    // of the last replayed transaction
  bool has_later() const { return has_later_; }  // the logs have later transactions

 private:
  friend class SubtreeReader;
  explicit SavedTree(Database nodes) : nodes_(std::move(nodes)) {}
  Database nodes_;
  std::map<std::string, SavedNode> above_;
  std::uint64_t size_ = 0;
  std::int64_t zxid_ = 0;
  bool has_later_ = false;
};

}  // namespace holdfast::zookeeper
