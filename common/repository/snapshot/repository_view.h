// The SnapshotView used in production, with additional functions for common/repository.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/repository/format/tree_codec.h"
#include "common/repository/store/repository.h"
#include "common/repository/tree/directory_cache.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::repository {

// Splits a path inside a snapshot into components; "" and "/" are the top. Slashes at either end
// are ignored. kInvalidArgument for components that are empty, "." or "..", or contain a zero byte.
Result<std::vector<std::string_view>> SplitPath(std::string_view path);

// Length of the common prefix, in bytes. Fast if one text is a prefix of the other.
std::size_t CommonBytes(std::string_view a, std::string_view b);

// Reads the blobs of a file in order, and verifies each. kCorrupt, naming `path`, also if their
// sizes do not add up to the file's. `blobs` must outlive the reader.
std::unique_ptr<ByteReader> OpenContent(BlobStore& blobs, const TreeNode& node, std::string path);

class RepositoryView final : public SnapshotView {
 public:
  // `top` is the directory that paths are relative to.
  RepositoryView(Repository& repository, const Id& snapshot, TreeNode top,
                 std::optional<Manifest> manifest);

  const std::string& snapshot_id() const override { return snapshot_id_; }
  const std::optional<Manifest>& manifest() const override { return manifest_; }
  Result<std::optional<Attributes>> Stat(std::string_view path) override;
  // The entry is a Found.
  Result<std::unique_ptr<const SnapshotEntry>> Find(std::string_view path) override;
  Result<void> List(std::string_view path,
                    const std::function<Result<void>(const ViewEntry&)>& visit) override;
  Result<std::unique_ptr<ByteReader>> Open(std::string_view path) override;
  // Defined in extract.cc.
  Result<ExtractOutcome> Extract(const std::string& directory, const ExtractOptions& options,
                                 Progress& progress, std::stop_token stop) override;

  struct Found final : SnapshotEntry {
    Found(TreeNode found, std::string text) : node(std::move(found)), json(std::move(text)) {}
    const Attributes& attributes() const override { return node.attributes; }
    std::size_t bytes() const override {
      return sizeof *this + json.size() + node.content.size() * sizeof(Id);
    }
    TreeNode node;
    std::string json;  // as stored in the tree; empty for the top
  };
  // Calls `use`, which must not call the view, with the entry at the path; false without one.
  Result<bool> With(std::string_view path, const std::function<void(const Found&)>& use);
  // The node at the path. kNotFound suggests similar names.
  Result<TreeNode> Need(std::string_view path);

 private:
  // Looks a path up without using the last result.
  Result<std::unique_ptr<Found>> Look(std::string_view path);
  // The tree of the directory `path`; nullopt when there is no such directory.
  Result<std::optional<Id>> FindTree(std::string_view path);

  Repository& repository_;
  std::string snapshot_id_;
  TreeNode top_;
  std::optional<Manifest> manifest_;
  DirectoryCache cache_;
  // The last result, because the next call is mostly about the same file; and the path to its
  // directory, because the one after is about its neighbour. Both may be twenty thousand levels
  // deep. `way_` has for each level the end of its path and its tree.
  std::mutex mutex_;
  std::string last_path_;
  std::unique_ptr<Found> last_found_;
  std::string way_path_;
  std::vector<std::pair<std::size_t, Id>> way_;
};

}  // namespace holdfast::repository
