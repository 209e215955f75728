#include "agent/sources/zookeeper/saved_tree.h"

#include <algorithm>
#include <utility>

#include "agent/sources/zookeeper/jute.h"
#include "agent/sources/zookeeper/txn_log.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::uint64_t kTtlMark = 0xff00000000000000;
constexpr std::uint64_t kTtlBits = 0xffffffffff;
constexpr std::int64_t kOpenAcl = -1;  // no list: open to everyone

// Rows are stored in the order in which they arrive, so that large ones are written once; only
// places are sorted. Ephemeral nodes are looked up by session.
constexpr char kTables[] =
    "CREATE TABLE acl(number INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;"
    "CREATE TABLE node(id INTEGER PRIMARY KEY, place BLOB NOT NULL UNIQUE, owner INTEGER NOT NULL,"
    " acl BLOB NOT NULL, data BLOB) STRICT;"
    "CREATE INDEX node_of_session ON node(owner) WHERE owner <> 0;"
    "BEGIN;";

// "/" for the root, which files call "".
std::string NameOf(std::string_view path) { return path.empty() ? "/" : std::string(path); }

// A form of a path whose byte order is depth-first: no name contains a zero byte. With slashes,
// "/a-b" would sort between "/a" and "/a/b".
Bytes PlaceOf(std::string_view name) {
  Bytes place = ToBytes(name);
  std::ranges::replace(place, '/', 0);
  return place;
}

std::string NameAt(const Bytes& place) {
  std::string name(AsText(place));
  std::ranges::replace(name, '\0', '/');
  return name;
}

Bytes EncodeAcl(const std::vector<AclEntry>& acl) {
  JuteWriter writer;
  WriteAcl(acl, writer);
  return writer.bytes();
}

std::vector<AclEntry> DecodeAcl(const Bytes& bytes) {
  JuteReader reader(bytes);
  std::vector<AclEntry> acl = ReadAcl(reader);
  HF_CHECK(reader.ok());  // EncodeAcl() wrote it
  return acl;
}

Result<Database> OpenScratch(const std::string& directory) {
  HF_ASSIGN(const TempDir place, TempDir::Create(".holdfast-znodes", directory));
  DatabaseOptions options;
  options.path = place.path() + "/nodes";
  options.what = "temporary file for nodes";
  HF_ASSIGN(Database nodes, Database::Open(std::move(options), DatabaseMode::kScratch));
  HF_TRY(nodes.Execute(kTables));
  return nodes;
}

}  // namespace

class SubtreeReader {
 public:
  SubtreeReader(const TreeFiles& files, std::string_view path, std::int64_t until,
                const std::stop_token& stop, SavedTree& tree)
      : files_(files), path_(path), until_(until), stop_(stop), tree_(tree), nodes_(tree.nodes_) {}

  Result<void> Read() {
    HF_TRY(ReadNodes());
    tree_.zxid_ = files_.snapshot_zxid;
    HF_TRY(PlayBack());
    HF_TRY(nodes_.Execute("COMMIT"));
    HF_ASSIGN(tree_.size_, nodes_.Value<std::uint64_t>("SELECT count(*) FROM node"));
    if (tree_.size_ > 0) return {};
    return Fail(ErrorCode::kNotFound,
                fmt::format("{} does not exist in the tree as it was after {:#x}", Quote(path_),
                            tree_.zxid_));
  }

 private:
  bool IsBelow(const std::string& name) const {
    return path_ == "/" || name == path_ || (name.starts_with(path_) && name[path_.size()] == '/');
  }
  bool IsAbove(const std::string& name) const {
    return name == "/" || (path_.starts_with(name) && path_[name.size()] == '/');
  }

  Result<void> ReadNodes() {
    HF_ASSIGN(const std::unique_ptr<ByteReader> content, files_.snapshot());
    SnapshotVisitor visitor;
    visitor.acl = [&](std::int64_t number, std::vector<AclEntry>&& acl) {
      return nodes_.Run("INSERT OR REPLACE INTO acl VALUES (?, ?)", number, EncodeAcl(acl));
    };
    visitor.node = [&](const SnapshotNode& node) -> Result<void> {
      const std::string name = NameOf(node.path);
      if (!IsBelow(name) && !IsAbove(name)) return {};
      HF_ASSIGN(const Bytes acl, FindAcl(node.acl));
      return Put(name, node.data, acl, node.stat.owner);
    };
    HF_TRY(ReadSnapshot(*content, visitor, stop_));
    return {};
  }

  // A list that was created while the snapshot was written may be missing from it. Then the log has
  // it; until that is read, the ACL is empty and grants nothing.
  Result<Bytes> FindAcl(std::int64_t number) {
    if (number == kOpenAcl) return EncodeAcl({{31, "world", "anyone"}});
    auto found = nodes_.Value<Bytes>("SELECT entries FROM acl WHERE number = ?", number);
    if (!found && found.error().code() == ErrorCode::kNotFound) return EncodeAcl({});
    return found;
  }

  Result<void> PlayBack() {
    HF_ASSIGN(tree_.has_later_,
              files_.ForEachTxn(until_, stop_, [this](const Txn& txn) -> Result<void> {
                tree_.zxid_ = txn.header.zxid;
                for (const TxnOperation& operation : txn.operations) HF_TRY(Apply(operation));
                if (txn.closes_session) HF_TRY(Close(txn));
                return {};
              }));
    return {};
  }

  // Operations on missing nodes have no effect, as in ZooKeeper.
  Result<void> Apply(const TxnOperation& operation) {
    const std::string name = NameOf(operation.path);
    if (!IsBelow(name)) {
      if (IsAbove(name)) ApplyAbove(operation, name);
      return {};
    }
    const Bytes place = PlaceOf(name);
    switch (operation.kind) {
      case TxnOperation::Kind::kCreate:
        // If the snapshot already has the node, only the ACL is set.
        return nodes_.Run(
            "INSERT INTO node(place, owner, acl, data) VALUES (?, ?, ?, ?)"
            " ON CONFLICT(place) DO UPDATE SET acl = excluded.acl",
            place, operation.owner, EncodeAcl(operation.acl), operation.data);
      case TxnOperation::Kind::kDelete:
        return nodes_.Run("DELETE FROM node WHERE place = ?", place);
      case TxnOperation::Kind::kSetData:
        return nodes_.Run("UPDATE node SET data = ?2 WHERE place = ?1", place, operation.data);
      case TxnOperation::Kind::kSetAcl:
        return nodes_.Run("UPDATE node SET acl = ?2 WHERE place = ?1", place,
                          EncodeAcl(operation.acl));
    }
    return {};
  }

  void ApplyAbove(const TxnOperation& operation, const std::string& name) {
    auto& above = tree_.above_;
    if (operation.kind == TxnOperation::Kind::kDelete) {
      above.erase(name);
      return;
    }
    const auto found = above.find(name);
    if (operation.kind == TxnOperation::Kind::kCreate && found == above.end()) {
      above[name] = {CopyOf(operation.data), operation.acl, operation.owner};
    } else if (found != above.end() && operation.kind == TxnOperation::Kind::kSetData) {
      found->second.data = CopyOf(operation.data);
    } else if (found != above.end()) {
      found->second.acl = operation.acl;
    }
  }

  Result<void> Close(const Txn& txn) {
    for (const std::string_view path : txn.closed) {
      const std::string name = NameOf(path);
      if (IsBelow(name)) HF_TRY(nodes_.Run("DELETE FROM node WHERE place = ?", PlaceOf(name)));
    }
    if (txn.header.session == 0) return {};
    return nodes_.Run("DELETE FROM node WHERE owner = ? AND owner <> 0", txn.header.session);
  }

  Result<void> Put(const std::string& name, const std::optional<ByteView>& data, const Bytes& acl,
                   std::int64_t owner) {
    if (IsBelow(name))
      return nodes_.Run("INSERT INTO node(place, owner, acl, data) VALUES (?, ?, ?, ?)",
                        PlaceOf(name), owner, acl, data);
    tree_.above_[name] = {CopyOf(data), DecodeAcl(acl), owner};
    return {};
  }

  static std::optional<Bytes> CopyOf(const std::optional<ByteView>& data) {
    if (!data) return std::nullopt;
    return Bytes(data->begin(), data->end());
  }

  const TreeFiles& files_;
  const std::string path_;
  const std::int64_t until_;
  const std::stop_token& stop_;
  SavedTree& tree_;
  Database& nodes_;
};

NodeKind KindOf(std::int64_t owner) {
  if (owner == 0) return NodeKind::kPersistent;
  if (owner == INT64_MIN) return NodeKind::kContainer;
  const bool is_ttl = (static_cast<std::uint64_t>(owner) & kTtlMark) == kTtlMark;
  return is_ttl ? NodeKind::kTtl : NodeKind::kEphemeral;
}

std::int64_t TtlOf(std::int64_t owner) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(owner) & kTtlBits);
}

Result<SavedTree> SavedTree::Read(const TreeFiles& files, const std::string& path,
                                  std::int64_t until, const std::string& directory,
                                  const std::stop_token& stop) {
  HF_ASSIGN(Database nodes, OpenScratch(directory));
  SavedTree tree(std::move(nodes));
  HF_TRY(SubtreeReader(files, path, until, stop, tree).Read());
  return tree;
}

Result<void> SavedTree::ForEach(const Visit& visit) {
  HF_ASSIGN(Statement rows,
            nodes_.Query("SELECT place, owner, acl, data FROM node ORDER BY place"));
  Bytes place;
  Bytes acl;
  SavedNode node;
  for (;;) {
    HF_ASSIGN(const bool has_row, rows.Next());
    if (!has_row) return {};
    HF_TRY(rows.Read(place, node.owner, acl, node.data));
    node.acl = DecodeAcl(acl);
    HF_TRY(visit(NameAt(place), node));
  }
}

}  // namespace holdfast::zookeeper
