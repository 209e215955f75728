#include "agent/sources/zookeeper/tree_facts.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "agent/sources/zookeeper/sums.h"
#include "agent/sources/zookeeper/txn_log.h"
#include "common/base/path.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::string_view kOwnSubtree = "/zookeeper/";
constexpr std::int32_t kDigestVersion = 2;
constexpr std::uint64_t kRecordsBetweenLooks = 4096;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

// The parts of a node that its digest covers.
struct Node {
  bool is_there = false;
  std::uint32_t content_sum = 0;  // CRC-32 of path and data
  NodeStat stat = {};
};

std::uint32_t SumOf(std::string_view path, const std::optional<ByteView>& data) {
  return Crc32(Crc32(0, AsBytes(path)), data.value_or(ByteView()));
}

std::uint64_t DigestOf(std::string_view path, std::uint32_t content_sum, const NodeStat& stat) {
  if (path.starts_with(kOwnSubtree)) return 0;
  std::array<std::uint8_t, 60> bytes{};
  std::size_t at = 0;
  const auto put = [&](auto number) {
    const auto value = static_cast<std::make_unsigned_t<decltype(number)>>(number);
    for (std::size_t i = sizeof value; i-- > 0;)
      bytes[at++] = static_cast<std::uint8_t>(value >> (8 * i));
  };
  put(stat.czxid);
  put(stat.mzxid);
  put(stat.pzxid);
  put(stat.ctime);
  put(stat.mtime);
  put(stat.version);
  put(stat.cversion);
  put(stat.aversion);
  put(stat.owner);
  return Crc32(content_sum, bytes);
}

class Replay {
 public:
  Replay(const TreeFiles& files, const std::stop_token& stop) : files_(files), stop_(stop) {}

  Result<TreeFacts> Run() {
    HF_TRY(files_.ForEachTxn(INT64_MAX, stop_, [this](const Txn& txn) -> Result<void> {
      Touch(txn);
      return {};
    }));
    HF_TRY(ReadTree());
    facts_.zxid = files_.snapshot_zxid;
    HF_TRY(files_.ForEachTxn(INT64_MAX, stop_, [this](const Txn& txn) -> Result<void> {
      Apply(txn);
      Compare(txn);
      return {};
    }));
    ++facts_.nodes;  // the root counts twice, as in ZooKeeper
    return facts_;
  }

 private:
  // Adds nodes that must be tracked one by one: those that change, and their parents.
  void Touch(const Txn& txn) {
    for (const TxnOperation& operation : txn.operations) {
      nodes_.try_emplace(std::string(operation.path));
      nodes_.try_emplace(std::string(PathAbove(operation.path)));
    }
    for (const std::string_view path : txn.closed) {
      nodes_.try_emplace(std::string(path));
      nodes_.try_emplace(std::string(PathAbove(path)));
    }
    // Most nodes have no owner, which is stored as 0.
    if (txn.closes_session && txn.header.session != 0) owned_.try_emplace(txn.header.session);
  }

  Result<void> ReadTree() {
    HF_ASSIGN(const std::unique_ptr<ByteReader> content, files_.snapshot());
    SnapshotVisitor visitor;
    visitor.node = [this](const SnapshotNode& node) -> Result<void> {
      const std::uint32_t sum = SumOf(node.path, node.data);
      ++facts_.nodes;
      facts_.digest += DigestOf(node.path, sum, node.stat);
      auto known = nodes_.find(node.path);
      const auto owned = owned_.find(node.stat.owner);
      if (owned != owned_.end() && known == nodes_.end()) {
        known = nodes_.try_emplace(std::string(node.path)).first;
        left_.insert(std::string(PathAbove(node.path)));
      }
      if (known == nodes_.end()) return {};
      known->second = {.is_there = true, .content_sum = sum, .stat = node.stat};
      if (owned != owned_.end()) owned->second.emplace_back(node.path);
      return {};
    };
    HF_ASSIGN(const SnapshotSummary summary, ReadSnapshot(*content, visitor, stop_));
    // The snapshot of a new leader may begin at a zxid that no transaction has.
    if (summary.digest && summary.digest->zxid >= files_.snapshot_zxid)
      comparable_from_ = summary.digest->zxid;
    return ReadParents();
  }

  // Reads the parents of sessions' nodes, which came before them in the snapshot. Rarely needed:
  // the log names a closing session's nodes, except before ZooKeeper 3.6 or if that is disabled.
  Result<void> ReadParents() {
    std::erase_if(left_, [this](const std::string& path) { return nodes_.contains(path); });
    if (left_.empty()) return {};
    HF_ASSIGN(const std::unique_ptr<ByteReader> content, files_.snapshot());
    SnapshotVisitor visitor;
    visitor.node = [this](const SnapshotNode& node) -> Result<void> {
      if (left_.contains(node.path))
        nodes_[std::string(node.path)] = {
            .is_there = true, .content_sum = SumOf(node.path, node.data), .stat = node.stat};
      return {};
    };
    HF_TRY(ReadSnapshot(*content, visitor, stop_));
    return {};
  }

  Node* Find(std::string_view path) {
    const auto found = nodes_.find(path);
    return found == nodes_.end() || !found->second.is_there ? nullptr : &found->second;
  }

  template <typename Alter>
  void Change(std::string_view path, Node& node, const Alter& alter) {
    facts_.digest -= DigestOf(path, node.content_sum, node.stat);
    alter(node);
    facts_.digest += DigestOf(path, node.content_sum, node.stat);
  }

  // As in DataTree.processTxn(). Operations on missing nodes have no effect.
  void Apply(const Txn& txn) {
    facts_.zxid = txn.header.zxid;
    for (const TxnOperation& operation : txn.operations) {
      switch (operation.kind) {
        case TxnOperation::Kind::kCreate:
          Create(operation, txn.header);
          break;
        case TxnOperation::Kind::kDelete:
          Delete(operation.path, txn.header.zxid);
          break;
        case TxnOperation::Kind::kSetData:
          if (Node* node = Find(operation.path))
            Change(operation.path, *node, [&](Node& changed) {
              changed.content_sum = SumOf(operation.path, operation.data);
              changed.stat.mtime = txn.header.time;
              changed.stat.mzxid = txn.header.zxid;
              changed.stat.version = operation.version;
            });
          break;
        case TxnOperation::Kind::kSetAcl:
          if (Node* node = Find(operation.path))
            Change(operation.path, *node,
                   [&](Node& changed) { changed.stat.aversion = operation.version; });
          break;
      }
    }
    if (txn.closes_session) CloseSession(txn);
  }

  void Create(const TxnOperation& operation, const TxnHeader& header) {
    const std::string_view parent_path = PathAbove(operation.path);
    Node* parent = Find(parent_path);
    if (parent == nullptr || operation.path.empty()) return;
    Node& node = nodes_.try_emplace(std::string(operation.path)).first->second;
    // The snapshot already includes this.
    if (node.is_there && !operation.adjusts_parent) return;
    const std::int32_t version =
        operation.version == -1 ? parent->stat.cversion + 1 : operation.version;
    if (version > parent->stat.cversion) {
      Change(parent_path, *parent, [&](Node& changed) {
        changed.stat.cversion = version;
        changed.stat.pzxid = header.zxid;
      });
    }
    if (node.is_there) return;
    node.is_there = true;
    node.content_sum = SumOf(operation.path, operation.data);
    node.stat = {};
    node.stat.czxid = node.stat.mzxid = node.stat.pzxid = header.zxid;
    node.stat.ctime = node.stat.mtime = header.time;
    node.stat.owner = operation.owner;
    facts_.digest += DigestOf(operation.path, node.content_sum, node.stat);
    ++facts_.nodes;
    if (const auto owned = owned_.find(operation.owner); owned != owned_.end())
      owned->second.emplace_back(operation.path);
  }

  void Delete(std::string_view path, std::int64_t zxid) {
    const std::string_view parent_path = PathAbove(path);
    Node* parent = Find(parent_path);
    if (parent == nullptr || path.empty()) return;
    if (zxid > parent->stat.pzxid)
      Change(parent_path, *parent, [&](Node& changed) { changed.stat.pzxid = zxid; });
    Node* node = Find(path);
    if (node == nullptr) return;
    facts_.digest -= DigestOf(path, node->content_sum, node->stat);
    node->is_there = false;
    --facts_.nodes;
  }

  void CloseSession(const Txn& txn) {
    for (const std::string_view path : txn.closed) Delete(path, txn.header.zxid);
    // Nodes that the record does not name.
    const auto owned = owned_.find(txn.header.session);
    if (owned == owned_.end()) return;
    for (const std::string& path : std::exchange(owned->second, {})) {
      const Node* node = Find(path);
      if (node != nullptr && node->stat.owner == txn.header.session) Delete(path, txn.header.zxid);
    }
  }

  // Only after the log has passed everything that the snapshot may have of later transactions.
  void Compare(const Txn& txn) {
    if (!txn.digest || txn.digest->version != kDigestVersion || txn.header.zxid < comparable_from_)
      return;
    facts_.logged = txn.digest;
    if (txn.digest->digest != facts_.digest && !facts_.first_difference)
      facts_.first_difference = txn.header.zxid;
  }

  const TreeFiles& files_;
  const std::stop_token& stop_;
  TreeFacts facts_;
  std::int64_t comparable_from_ = 0;
  std::unordered_map<std::string, Node, TextHash, std::equal_to<>> nodes_;
  // Session that ends in the logs -> the nodes that it owns.
  std::unordered_map<std::int64_t, std::vector<std::string>> owned_;
  std::unordered_set<std::string, TextHash, std::equal_to<>> left_;
};

}  // namespace

Result<bool> TreeFiles::ForEachTxn(std::int64_t until, const std::stop_token& stop,
                                   const std::function<Result<void>(const Txn&)>& use) const {
  Txn txn;
  std::int64_t last = snapshot_zxid;
  std::uint64_t records = 0;
  for (const OpenContent& open : logs) {
    HF_ASSIGN(const std::unique_ptr<ByteReader> content, open());
    LogReader log(*content);
    for (;;) {
      if (++records % kRecordsBetweenLooks == 0 && stop.stop_requested()) return Stopped();
      HF_ASSIGN(const std::optional<ByteView> record, log.Next());
      if (!record) break;
      if (log.position().last_zxid <= last) continue;
      last = log.position().last_zxid;
      if (last > until) return true;
      HF_TRY(DecodeTxn(*record, txn));
      HF_TRY(use(txn));
    }
  }
  return false;
}

Result<TreeFacts> ReadTreeFacts(const TreeFiles& files, const std::stop_token& stop) {
  return Replay(files, stop).Run();
}

}  // namespace holdfast::zookeeper
