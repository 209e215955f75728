// Tree blobs: one directory as JSON, byte for byte as restic writes it, so that both tools store
// the same directory once. Reading takes any spelling, order and unknown fields, and trusts
// nothing. Format: docs/repository-format.md#trees.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
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

// Where one node's object and name lie in two long texts.
struct NodeSpan {
  std::uint64_t json_begin;
  std::uint64_t name_begin;
  std::uint32_t json_length;
  std::uint32_t name_length;
};

// Collects the nodes of one directory in any order. Memory: the blob, and 24 bytes and the
// name per node.
class TreeBuilder {
 public:
  // False when there is a node of this name already; nothing is added then.
  [[nodiscard]] bool Add(const TreeNode& node);
  // `json` is a node's object as VisitTree gave it, kept as it stands.
  [[nodiscard]] bool AddJson(std::string_view name, std::string_view json);
  bool Has(std::string_view name) const;
  std::size_t size() const { return entries_.size(); }
  // The blob; the builder is empty afterwards. kUnsupported for one that no pack can hold.
  Result<Bytes> Finish();

 private:
  std::string_view NameOf(const NodeSpan& entry) const {
    return std::string_view(names_).substr(entry.name_begin, entry.name_length);
  }
  bool Prepare(std::string_view name);
  void Append(std::string_view json);

  // The blob so far, each node followed by a comma: as long as names ascend, it needs no copy.
  Bytes json_;
  std::string scratch_;
  std::string names_;  // all names
  std::vector<NodeSpan> entries_;
  // Whether names came in ascending order, which is usual and makes duplicates obvious; `seen_` is
  // filled only when they do not.
  bool is_sorted_ = true;
  std::unordered_set<std::string> seen_;
};

// A directory that was read: its blob and where each node lies in it, by ascending name.
class Directory {
 public:
  static Result<Directory> Parse(const Id& id, Bytes blob);
  std::size_t size() const { return entries_.size(); }
  std::string_view name(std::size_t i) const {
    return std::string_view(names_).substr(entries_[i].name_begin, entries_[i].name_length);
  }
  std::string_view json(std::size_t i) const {
    return AsText(blob_).substr(entries_[i].json_begin, entries_[i].json_length);
  }
  Result<TreeNode> Node(std::size_t i) const;
  std::optional<std::size_t> Find(std::string_view name) const;
  // Bytes this object takes.
  std::size_t memory() const;
  const Id& id() const { return id_; }

 private:
  Id id_;
  Bytes blob_;
  std::string names_;
  std::vector<NodeSpan> entries_;
};

}  // namespace holdfast::repository
