// Tree blobs: one directory as JSON, byte for byte as restic writes it, so that both tools store
// the same directory once. Reading takes any spelling, order and unknown fields, and trusts
// nothing. Format: docs/repository-format.md#trees.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/compressor.h"
#include "common/repository/large_tree.h"
#include "common/repository/types.h"
#include "common/stream/attributes.h"

namespace holdfast::repository {

// One entry of a directory.
struct TreeNode {
  std::string name;  // raw bytes, one path component
  Attributes attributes;
  std::vector<Id> content;    // blobs of a file, in order
  bool has_content = true;    // false: a file's list is missing, which only damage explains
  std::optional<Id> subtree;  // directories, always
};

// The JSON object of one node. Access time is written as the modification time, as restic does
// unless asked for more, so that reading a file changes no tree.
void AppendNode(std::string& out, const TreeNode& node);
// The reverse, for an object cut out by VisitTree. kCorrupt.
Result<TreeNode> DecodeNode(std::string_view json);

// Calls `visit` for each node in the blob's order, with the object's own text; one node is in
// memory at a time. kCorrupt, naming `id`, for what is no tree: bad JSON, unknown types,
// directories without a subtree, names that are empty, "." or "..", or hold `/` or a zero byte.
// Stops at the visitor's first error.
Result<void> VisitTree(
    const Id& id, ByteView blob,
    const std::function<Result<void>(const TreeNode& node, std::string_view json)>& visit);

// The same, but of each node only the name is looked at, which takes a third of the time: whatever
// else is wrong with one is found when it is decoded.
Result<void> VisitNames(
    const Id& id, ByteView blob,
    const std::function<void(std::string_view name, std::string_view json)>& visit);

// Around the nodes of a tree blob.
inline constexpr std::string_view kTreeHead = "{\"nodes\":[";
inline constexpr std::string_view kTreeTail = "]}\n";

// Where one node's object and name lie in two long texts.
struct NodeSpan {
  std::uint64_t json_begin;
  std::uint64_t name_begin;
  std::uint32_t json_length;
  std::uint32_t name_length;
};

// Collects the nodes of one directory in any order. Memory: the blob, and 24 bytes and the
// name per node; from kLargeTreeBytes on, as long as names ascend, only what the blob takes
// compressed.
class TreeBuilder {
 public:
  // Without a compression every blob is a small one.
  TreeBuilder() = default;
  explicit TreeBuilder(Compression compression) : compression_(compression) {}

  // False when there is a node of this name already; nothing is added then.
  [[nodiscard]] bool Add(const TreeNode& node);
  // `json` is a node's object as VisitTree gave it, kept as it stands.
  [[nodiscard]] bool AddJson(std::string_view name, std::string_view json);
  bool Has(std::string_view name);
  std::size_t size() const { return size_; }
  // The blob is large: FinishLarge() has it, and not Finish().
  bool is_large() const { return large_.has_value(); }
  // The blob; the builder is empty afterwards, here and below. kUnsupported for one that no pack
  // can hold.
  Result<Bytes> Finish();
  Result<GrowingTree::Finished> FinishLarge();

 private:
  std::string_view NameOf(const NodeSpan& entry) const {
    return std::string_view(names_).substr(entry.name_begin, entry.name_length);
  }
  bool Prepare(std::string_view name);
  void Append(std::string_view json);
  void BecomeLarge();
  void BecomeSmall();
  void Flush();
  void Clear();
  Result<void> CheckSize(std::uint64_t bytes) const;

  std::optional<Compression> compression_;
  std::size_t size_ = 0;
  // The blob so far, each node followed by a comma: as long as names ascend, it needs no copy. Of a
  // large one what was not given to it yet, each node after its comma.
  Bytes json_;
  std::string scratch_;
  std::string names_;  // all names; of a large one the last
  std::vector<NodeSpan> entries_;
  // Whether names came in ascending order, which is usual and makes duplicates obvious; `seen_` is
  // filled only when they do not.
  bool is_sorted_ = true;
  std::unordered_set<std::string> seen_;
  std::optional<GrowingTree> large_;
};

// A directory that was read: its blob and where each node lies in it, by ascending name; or, of a
// large blob, the same in small pieces that are compressed. What is returned as a view is valid
// until something is asked of another entry.
class Directory {
  struct Packed;

 public:
  static Result<Directory> Parse(const Id& id, Bytes blob);
  // Of nodes that come one by one, with their objects' texts, by names that ascend. nullopt after
  // one that does not: such a blob can only be taken whole.
  class Packer {
   public:
    explicit Packer(const Id& id);
    ~Packer();
    void Add(std::string_view name, std::string_view json);
    std::optional<Directory> Finish();

   private:
    void Close();
    const Id id_;
    std::unique_ptr<Packed> packed_;
    std::string text_;
    std::string last_name_;
    bool is_ascending_ = true;
    Compressor compressor_{Compression::kFast};
  };

  Directory(Directory&&) noexcept;
  Directory& operator=(Directory&&) noexcept;
  ~Directory();

  std::size_t size() const;
  std::string_view name(std::size_t i) const;
  std::string_view json(std::size_t i) const;
  Result<TreeNode> Node(std::size_t i) const;
  std::optional<std::size_t> Find(std::string_view name) const;
  // Bytes this object takes.
  std::size_t memory() const;
  const Id& id() const { return id_; }

 private:
  // A text of nodes and where they lie in it.
  struct Text {
    Bytes json;
    std::string names;
    std::vector<NodeSpan> entries;

    std::string_view name(std::size_t i) const {
      return std::string_view(names).substr(entries[i].name_begin, entries[i].name_length);
    }
    std::optional<std::size_t> Find(std::string_view wanted) const;
    std::size_t memory() const {
      return json.capacity() + names.capacity() + entries.capacity() * sizeof(NodeSpan);
    }
  };

  Directory();
  static Result<Text> ParseText(const Id& id, Bytes blob);
  // The text that has entry `i`, and which of it that is.
  std::pair<const Text*, std::size_t> TextWith(std::size_t i) const;

  Id id_;
  mutable Text text_;  // of a large one the piece that was asked for last
  std::unique_ptr<Packed> packed_;
};

}  // namespace holdfast::repository
