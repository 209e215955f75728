// A node of a saved tree with all below it, as it was after a transaction: read from the snapshot
// and the logs behind it, with data and ACLs, and nothing of the rest of the tree. It lies in a
// temporary file meanwhile, so that memory is bounded by the largest node.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/sources/zookeeper/snapshot_file.h"
#include "agent/sources/zookeeper/tree_facts.h"
#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/database/connection.h"

namespace holdfast::zookeeper {

struct SavedNode {
  std::optional<Bytes> data;
  std::vector<AclEntry> acl;
  std::int64_t owner = 0;
  bool operator==(const SavedNode&) const = default;
};

// What a node is, by its owner.
enum class NodeKind : std::uint8_t { kPersistent, kEphemeral, kContainer, kTtl };
NodeKind KindOf(std::int64_t owner);
std::int64_t TtlOf(std::int64_t owner);  // in milliseconds; REQUIRES: KindOf() is kTtl

// Used by one thread at a time.
class SavedTree {
 public:
  using Visit = std::function<Result<void>(const std::string& path, const SavedNode& node)>;

  // `path` as it was after `until`. The temporary file lies in `directory`, empty for the system's
  // place, and is gone with the object, and with the process. kNotFound when there is no such node;
  // kNoSpace; the errors of ReadSnapshot(), LogReader and DecodeTxn().
  static Result<SavedTree> Read(const TreeFiles& files, const std::string& path, std::int64_t until,
                                const std::string& directory, const std::stop_token& stop);

  // Depth-first, from the node itself: each comes before what is below it, and all of that before
  // any other. Ends with the first error of `visit`.
  Result<void> ForEach(const Visit& visit);
  std::uint64_t size() const { return size_; }
  // The nodes that the path leads through, from "/" on.
  const std::map<std::string, SavedNode>& above() const { return above_; }
  std::int64_t zxid() const { return zxid_; }    // of the last transaction that was played back
  bool has_later() const { return has_later_; }  // the logs go on behind that

 private:
  friend class SubtreeReader;
  explicit SavedTree(Connection nodes) : nodes_(std::move(nodes)) {}
  Connection nodes_;
  std::map<std::string, SavedNode> above_;
  std::uint64_t size_ = 0;
  std::int64_t zxid_ = 0;
  bool has_later_ = false;
};

}  // namespace holdfast::zookeeper
