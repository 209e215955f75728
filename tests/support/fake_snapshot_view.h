// An in-memory snapshot that a backup session fills, for comparing, reusing and restoring.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/filetree/tree_writer.h"
#include "common/stream/snapshot_view.h"
#include "tests/support/byte_readers.h"

namespace holdfast::testing {

class FakeSnapshotView final : public SnapshotView {
 public:
  struct Node {
    Attributes attributes;
    Bytes content;
  };

  // Adds an item as the repository would: reads its content, or takes it from `previous`. If
  // reading fails, returns the error and adds nothing.
  Result<void> Add(Item item, FakeSnapshotView* previous = nullptr) {
    Node node{std::move(item.attributes), {}};
    if (auto* reader = std::get_if<std::unique_ptr<ByteReader>>(&item.content)) {
      HF_ASSIGN(node.content, ReadAll(**reader));
      HF_ASSIGN(ByteReader::Outcome outcome, (*reader)->Finish());
      if (outcome.attributes) node.attributes = *outcome.attributes;
      if (outcome.changed) changed.push_back(item.path);
      ++files_read;
    } else if (auto* reuse = std::get_if<Reuse>(&item.content)) {
      auto found = previous == nullptr ? nodes.end() : previous->nodes.find(reuse->path);
      if (previous == nullptr || found == previous->nodes.end()) {
        return Fail(ErrorCode::kNotFound, "reused path \"" + reuse->path + "\" is not there");
      }
      if (node.attributes.type == NodeType::kDirectory) {
        AddReusedTree(reuse->path, item.path, *previous);
      }
      node.content = found->second.content;
      ++files_reused;
    }
    if (node.attributes.type == NodeType::kFile) node.attributes.size = node.content.size();
    nodes[item.path] = std::move(node);
    return {};
  }

  // Adds directories that were not given as items, with default attributes, as the repository does.
  void Complete() {
    std::vector<std::string> missing;
    for (const auto& [path, unused] : nodes) {
      for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
        if (!nodes.contains(path.substr(0, at))) missing.push_back(path.substr(0, at));
      }
    }
    for (const std::string& path : missing) {
      nodes[path].attributes.type = NodeType::kDirectory;
      nodes[path].attributes.mode = 0755;
    }
  }

  const std::string& snapshot_id() const override { return id; }
  const std::optional<Manifest>& manifest() const override { return the_manifest; }

  Result<std::optional<Attributes>> Stat(std::string_view path) override {
    auto found = nodes.find(std::string(path));
    if (found == nodes.end()) return std::optional<Attributes>();
    return std::optional<Attributes>(found->second.attributes);
  }

  struct Entry final : SnapshotEntry {
    explicit Entry(Attributes found) : its(std::move(found)) {}
    const Attributes& attributes() const override { return its; }
    std::size_t bytes() const override { return sizeof *this; }
    Attributes its;
  };
  Result<std::unique_ptr<const SnapshotEntry>> Find(std::string_view path) override {
    if (on_find) on_find(path);
    HF_ASSIGN(std::optional<Attributes> found, Stat(path));
    if (!found) return nullptr;
    return std::make_unique<const Entry>(*std::move(found));
  }

  Result<void> List(std::string_view path,
                    const std::function<Result<void>(const ViewEntry&)>& visit) override {
    std::string prefix = path.empty() ? "" : std::string(path) + "/";
    if (!path.empty() && !nodes.contains(std::string(path))) {
      return Fail(ErrorCode::kNotFound, "no \"" + std::string(path) + "\" in the snapshot");
    }
    std::map<std::string, Attributes> entries;
    for (const auto& [name, node] : nodes) {
      if (!name.starts_with(prefix) || name.size() == prefix.size()) continue;
      if (name.find('/', prefix.size()) != std::string::npos) continue;
      entries[name.substr(prefix.size())] = node.attributes;
    }
    for (const auto& [name, attributes] : entries) HF_TRY(visit({name, attributes}));
    return {};
  }

  Result<std::unique_ptr<ByteReader>> Open(std::string_view path) override {
    if (on_open) on_open(path);
    auto found = nodes.find(std::string(path));
    if (found == nodes.end()) {
      return Fail(ErrorCode::kNotFound, "no \"" + std::string(path) + "\" in the snapshot");
    }
    return std::make_unique<BytesReader>(found->second.content);
  }

  Result<ExtractOutcome> Extract(const std::string& directory, const ExtractOptions& options,
                                 Progress& progress, std::stop_token stop) override {
    if (on_extract) on_extract(directory);
    HF_ASSIGN(auto writer,
              filetree::TreeWriter::Open(
                  directory, {.restore_owner = options.restore_owner, .opened = options.opened}));
    ExtractOutcome outcome;
    std::string strip = options.strip.empty() ? "" : options.strip + "/";
    for (const auto& [path, node] : nodes) {
      if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped by request");
      if (!IsWanted(path, options.paths) || !path.starts_with(strip)) continue;
      if (extract_items_max > 0 && outcome.items == extract_items_max) {
        return Fail(ErrorCode::kNoSpace, "write \"" + path + "\": no space left on device");
      }
      Node filtered = node;
      if (options.left_out != nullptr &&
          !options.left_out->Filter(options.special, path, filtered.attributes)) {
        continue;
      }
      HF_TRY(Write(*writer, path.substr(strip.size()), filtered));
      ++outcome.items;
      outcome.bytes += node.content.size();
      progress.items += 1;
      progress.bytes += node.content.size();
    }
    HF_TRY(writer->Finish());
    outcome.warnings = writer->warnings();
    if (after_extract) after_extract(directory);
    return outcome;
  }

  std::string id = "0123456789abcdef";
  std::optional<Manifest> the_manifest;
  std::map<std::string, Node> nodes;
  std::vector<std::string> changed;
  // These simulate concurrent changes.
  std::function<void(std::string_view path)> on_find;
  std::function<void(std::string_view path)> on_open;
  std::function<void(const std::string& directory)> on_extract;
  std::function<void(const std::string& directory)> after_extract;
  int files_read = 0;
  int files_reused = 0;
  std::uint64_t extract_items_max = 0;  // Extract() fails after this number; 0: never

 private:
  static bool IsWanted(const std::string& path, const std::vector<std::string>& paths) {
    return paths.empty() || std::ranges::any_of(paths, [&path](const std::string& wanted) {
             return path == wanted || path.starts_with(wanted + "/");
           });
  }

  static Result<void> Write(filetree::TreeWriter& writer, const std::string& path,
                            const Node& node) {
    switch (node.attributes.type) {
      case NodeType::kDirectory:
        return writer.AddDirectory(path, node.attributes);
      case NodeType::kFile: {
        BytesReader reader(node.content);
        return writer.AddFile(path, node.attributes, reader);
      }
      default:
        return writer.AddOther(path, node.attributes);
    }
  }

  void AddReusedTree(const std::string& from, const std::string& to, FakeSnapshotView& previous) {
    for (const auto& [path, node] : previous.nodes) {
      if (path.starts_with(from + "/")) nodes[to + path.substr(from.size())] = node;
    }
  }
};

}  // namespace holdfast::testing
