#include "agent/sources/zookeeper/saved_tree.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "agent/sources/zookeeper/txn_log.h"
#include "common/base/format.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::uint64_t kTtlMark = 0xff00000000000000;
constexpr std::uint64_t kTtlBits = 0xffffffffff;
constexpr std::size_t kNodeBytes = 200;  // about, besides path and data
constexpr std::uint64_t kTxnsBetweenLooks = 4096;

// "/" for the root, which files call "".
std::string NameOf(std::string_view path) { return path.empty() ? "/" : std::string(path); }

class SubtreeReader {
 public:
  SubtreeReader(const TreeFiles& files, std::string_view path, std::int64_t until,
                std::size_t bytes_max, const std::stop_token& stop)
      : files_(files), path_(path), until_(until), bytes_max_(bytes_max), stop_(stop) {}

  Result<SavedTree> Read() {
    HF_TRY(ReadNodes());
    tree_.zxid = files_.snapshot_zxid;
    HF_TRY(PlayBack());
    if (tree_.nodes.empty())
      return Fail(ErrorCode::kNotFound,
                  fmt::format("there is no {} in the tree as it was after {:#x}", Quote(path_),
                              tree_.zxid));
    return std::move(tree_);
  }

 private:
  // Null where the path is of no concern.
  std::map<std::string, SavedNode>* PlaceOf(const std::string& name) {
    if (path_ == "/" || name == path_ || (name.starts_with(path_) && name[path_.size()] == '/'))
      return &tree_.nodes;
    const bool is_above = name == "/" || (path_.starts_with(name) && path_[name.size()] == '/');
    return is_above ? &tree_.above : nullptr;
  }

  Result<void> Put(std::map<std::string, SavedNode>& place, std::string name, SavedNode node) {
    bytes_ += name.size() + (node.data ? node.data->size() : 0) + kNodeBytes;
    if (bytes_ > bytes_max_)
      return Fail(
          ErrorCode::kUnsupported,
          fmt::format("what is below {} is more than {}", Quote(path_), FormatBytes(bytes_max_)),
          "restore parts of it one by one, or a whole data directory with "
          "--stage-data-dir");
    place[std::move(name)] = std::move(node);
    return {};
  }

  static std::optional<Bytes> CopyOf(const std::optional<ByteView>& data) {
    if (!data) return std::nullopt;
    return Bytes(data->begin(), data->end());
  }

  Result<void> ReadNodes() {
    HF_ASSIGN(const std::unique_ptr<ByteReader> content, files_.snapshot());
    std::unordered_map<std::int64_t, std::vector<AclEntry>> acls;
    SnapshotVisitor visitor;
    visitor.acl = [&](std::int64_t number, std::vector<AclEntry>&& acl) -> Result<void> {
      acls[number] = std::move(acl);
      return {};
    };
    visitor.node = [&](const SnapshotNode& node) -> Result<void> {
      std::string name = NameOf(node.path);
      std::map<std::string, SavedNode>* place = PlaceOf(name);
      if (place == nullptr) return {};
      SavedNode saved{.data = CopyOf(node.data), .acl = {}, .owner = node.stat.owner};
      const auto acl = acls.find(node.acl);
      if (acl != acls.end()) {
        saved.acl = acl->second;
      } else {
        saved.acl = {{31, "world", "anyone"}};
      }
      return Put(*place, std::move(name), std::move(saved));
    };
    HF_TRY(ReadSnapshot(*content, visitor, stop_));
    return {};
  }

  Result<void> PlayBack() {
    Txn txn;
    std::uint64_t records = 0;
    for (const OpenContent& open : files_.logs) {
      HF_ASSIGN(const std::unique_ptr<ByteReader> content, open());
      LogReader log(*content);
      for (;;) {
        if (++records % kTxnsBetweenLooks == 0 && stop_.stop_requested())
          return Fail(ErrorCode::kCancelled, "stopped by request");
        HF_ASSIGN(const std::optional<ByteView> record, log.Next());
        if (!record) break;
        if (log.position().last_zxid <= tree_.zxid) continue;
        tree_.has_later = log.position().last_zxid > until_;
        if (tree_.has_later) return {};
        HF_TRY(DecodeTxn(*record, txn));
        tree_.zxid = txn.header.zxid;
        for (TxnOperation& operation : txn.operations) HF_TRY(Apply(operation));
        if (txn.closes_session) Close(txn);
      }
    }
    return {};
  }

  Result<void> Apply(TxnOperation& operation) {
    std::string name = NameOf(operation.path);
    std::map<std::string, SavedNode>* place = PlaceOf(name);
    if (place == nullptr) return {};
    const auto found = place->find(name);
    const bool is_there = found != place->end();
    switch (operation.kind) {
      case TxnOperation::Kind::kCreate:
        // Of a node that the snapshot has already only the ACL counts.
        if (is_there) found->second.acl = std::move(operation.acl);
        if (is_there) return {};
        return Put(*place, std::move(name),
                   {.data = CopyOf(operation.data),
                    .acl = std::move(operation.acl),
                    .owner = operation.owner});
      case TxnOperation::Kind::kDelete:
        if (is_there) place->erase(found);
        return {};
      case TxnOperation::Kind::kSetData:
        if (!is_there) return {};
        found->second.data = CopyOf(operation.data);
        bytes_ += operation.data ? operation.data->size() : 0;
        return {};
      case TxnOperation::Kind::kSetAcl:
        if (is_there) found->second.acl = std::move(operation.acl);
        return {};
    }
    return {};
  }

  void Close(const Txn& txn) {
    for (const std::string_view path : txn.closed) {
      const std::string name = NameOf(path);
      if (auto* place = PlaceOf(name)) place->erase(name);
    }
    if (txn.header.session == 0) return;
    std::erase_if(tree_.nodes,
                  [&](const auto& entry) { return entry.second.owner == txn.header.session; });
  }

  const TreeFiles& files_;
  const std::string path_;
  const std::int64_t until_;
  const std::size_t bytes_max_;
  const std::stop_token& stop_;
  SavedTree tree_;
  std::size_t bytes_ = 0;
};

}  // namespace

NodeKind KindOf(std::int64_t owner) {
  if (owner == 0) return NodeKind::kPersistent;
  if (owner == INT64_MIN) return NodeKind::kContainer;
  const bool is_ttl = (static_cast<std::uint64_t>(owner) & kTtlMark) == kTtlMark;
  return is_ttl ? NodeKind::kTtl : NodeKind::kEphemeral;
}

std::int64_t TtlOf(std::int64_t owner) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(owner) & kTtlBits);
}

Result<SavedTree> ReadSavedTree(const TreeFiles& files, std::string_view path, std::int64_t until,
                                std::size_t bytes_max, const std::stop_token& stop) {
  return SubtreeReader(files, path, until, bytes_max, stop).Read();
}

}  // namespace holdfast::zookeeper
