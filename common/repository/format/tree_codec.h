// Tree blobs: one directory as JSON, byte for byte as restic writes it, so that both tools store
// the same directory only once. Reading accepts any formatting, order and unknown fields, and
// trusts nothing. Format: docs/repository-format.md#trees.
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
#include "common/repository/format/compressor.h"
#include "common/repository/format/large_tree.h"
#include "common/repository/format/types.h"
#include "common/stream/attributes.h"

namespace holdfast::repository {

// One entry of a directory.
struct TreeNode {
  std::string name;  // raw bytes, one path component
  Attributes attributes;
  std::vector<Id> content;    // blobs of a file, in order
  bool has_content = true;    // false: a file has no list of blobs, which means damage
  std::optional<Id> subtree;  // always set for directories
};

// Appends the JSON object of one node. Like restic by default, writes the modification time as
// access time, so that reading a file does not change the tree.
void AppendNode(std::string& out, const TreeNode& node);
// The inverse, for the text of an object that VisitTree() passed. kCorrupt.
Result<TreeNode> DecodeNode(std::string_view json);

using VisitNode = std::function<Result<void>(const TreeNode& node, std::string_view json)>;

// Calls `visit` for each node in the blob's order, with the text of its object. One node is in
// memory at a time. kCorrupt, naming `id`, for a malformed tree: bad JSON, unknown types,
// directories without a subtree, names that are empty, "." or "..", or contain `/` or a zero byte.
// Stops at the visitor's first error.
Result<void> VisitTree(const Id& id, ByteView blob, const VisitNode& visit);

// The same, but reads only names, in a third of the time. Other errors show when a node is decoded.
Result<void> VisitNames(
    const Id& id, ByteView blob,
    const std::function<void(std::string_view name, std::string_view json)>& visit);

// Text before and after the nodes of a tree blob.
inline constexpr std::string_view kTreeHead = "{\"nodes\":[";
inline constexpr std::string_view kTreeTail = "]}\n";

// Where one node's object and name are in two long texts.
struct NodeSpan {
  std::uint64_t json_begin;
  std::uint64_t name_begin;
  std::uint32_t json_length;
  std::uint32_t name_length;
};

// Collects the nodes of one directory in any order. Memory: the blob, and 24 bytes and the name per
// node; from kLargeTreeBytes on, if names ascend, only the compressed blob.
class TreeBuilder {
 public:
  // Without a compression no blob is treated as large.
  TreeBuilder() = default;
  explicit TreeBuilder(Compression compression) : compression_(compression) {}

  // False if there is a node of this name; nothing is added then.
  [[nodiscard]] bool Add(const TreeNode& node);
  // `json` is a node's object as VisitTree() passed it, and is added unchanged.
  [[nodiscard]] bool AddJson(std::string_view name, std::string_view json);
  bool Has(std::string_view name);
  std::size_t size() const { return size_; }
  // The blob is large: use FinishLarge() instead of Finish().
  bool is_large() const { return large_.has_value(); }
  // Returns the blob and empties the builder, here and below. kUnsupported if no pack can hold it.
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
  // The blob so far, each node followed by a comma: if names ascend, it needs no copy. For a large
  // blob, the text not yet passed to large_, each node preceded by a comma.
  Bytes json_;
  std::string scratch_;
  std::string names_;  // all names; for a large blob only the last
  std::vector<NodeSpan> entries_;
  // Whether names have come in ascending order, which is usual and makes duplicates easy to find;
  // `seen_` is filled only if they have not.
  bool is_sorted_ = true;
  std::unordered_set<std::string> seen_;
  std::optional<GrowingTree> large_;
};

// A directory that was read: its blob and the position of each node, by ascending name. A large
// blob is kept in small compressed pieces. Returned views are valid until another entry is
// accessed.
class Directory {
  struct Packed;

 public:
  static Result<Directory> Parse(const Id& id, Bytes blob);
  // Packs nodes that are added one by one by ascending name, with the text of their objects.
  // Finish() returns nullopt if names did not ascend; such a blob must be parsed as a whole.
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
  // Memory use in bytes.
  std::size_t memory() const;
  const Id& id() const { return id_; }

 private:
  // The text of some nodes, and their positions in it.
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
  // The text with entry `i`, and the number of the entry in that text.
  std::pair<const Text*, std::size_t> TextWith(std::size_t i) const;

  Id id_;
  mutable Text text_;  // for a large directory, the piece used last
  std::unique_ptr<Packed> packed_;
};

}  // namespace holdfast::repository
