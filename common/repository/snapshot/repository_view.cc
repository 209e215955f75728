#include "common/repository/snapshot/repository_view.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "common/base/format.h"
#include "common/base/path.h"
#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::repository {
namespace {

// Holdfast writes small manifests. A larger file of that name is not read.
constexpr std::uint64_t kManifestBytesMax = 64U << 20;

class ContentReader final : public ByteReader {
 public:
  ContentReader(BlobStore& blobs, const TreeNode& node, std::string path)
      : blobs_(blobs),
        content_(node.content),
        size_(node.attributes.size),
        path_(std::move(path)) {}

  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    while (offset_ == blob_.size()) {
      if (next_ == content_.size()) return AtEnd();
      Result<Bytes> blob = blobs_.LoadNeeded(BlobType::kData, content_[next_]);
      if (!blob) return Fail(std::move(blob).error().While("read " + Quote(path_)));
      ++next_;
      blob_ = *std::move(blob);
      offset_ = 0;
      total_ += blob_.size();
    }
    std::size_t count = std::min(buffer.size(), blob_.size() - offset_);
    std::copy_n(blob_.begin() + static_cast<std::ptrdiff_t>(offset_), count, buffer.begin());
    offset_ += count;
    return count;
  }

 private:
  Result<std::size_t> AtEnd() const {
    if (total_ == size_) return std::size_t{0};
    return Fail(ErrorCode::kCorrupt,
                fmt::format("read {}: its blobs have {}, but its size is {}", Quote(path_),
                            FormatCount(total_, "byte"), FormatCount(size_)));
  }

  BlobStore& blobs_;
  std::vector<Id> content_;
  std::uint64_t size_;
  std::string path_;
  std::size_t next_ = 0;
  Bytes blob_;
  std::size_t offset_ = 0;
  std::uint64_t total_ = 0;
};

// The Levenshtein distance.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

// Names in `directory` that are similar to `wanted`, best first; otherwise its first few names.
std::string NearNames(const Directory& directory, std::string_view wanted) {
  constexpr std::size_t kShown = 4;
  constexpr std::size_t kLookedAt = 10'000;
  std::vector<std::pair<std::size_t, std::string>> near;
  for (std::size_t i = 0; i < std::min(directory.size(), kLookedAt); ++i) {
    std::string_view name = directory.name(i);
    bool is_part = name.starts_with(wanted) || wanted.starts_with(name);
    std::size_t distance = is_part ? 1 : Distance(name, wanted);
    if (distance <= std::max<std::size_t>(1, wanted.size() / 3)) near.emplace_back(distance, name);
  }
  if (near.empty()) {
    for (std::size_t i = 0; i < std::min(directory.size(), kShown); ++i) {
      near.emplace_back(i, directory.name(i));
    }
  }
  std::ranges::sort(near);
  return JoinTexts(near | std::views::take(kShown) | std::views::values, Quote);
}

Result<std::optional<Manifest>> LoadManifest(BlobStore& blobs, const Directory& top) {
  std::optional<std::size_t> at = top.Find("manifest.json");
  if (!at) return std::nullopt;
  HF_ASSIGN(TreeNode node, top.Node(*at));
  if (node.attributes.type != NodeType::kFile || node.attributes.size > kManifestBytesMax) {
    return std::nullopt;
  }
  std::unique_ptr<ByteReader> reader = OpenContent(blobs, node, "manifest.json");
  std::string json;
  Bytes buffer(64U << 10);
  for (;;) {
    Result<std::size_t> count = reader->Read(buffer);
    // A damaged manifest is one lost file, which a restore reports. Nothing else needs it.
    if (!count && IsDamage(count.error())) return std::nullopt;
    if (!count) return Fail(std::move(count).error());
    if (*count == 0) break;
    json += AsText(ByteView(buffer).first(*count));
    // Untrusted: the blobs may be longer than the declared size.
    if (json.size() > kManifestBytesMax) {
      return Fail(ErrorCode::kCorrupt, "manifest.json is too long");
    }
  }
  HF_ASSIGN(Manifest manifest, DecodeManifest(json));
  return manifest;
}

// The subdirectory `name`; nullopt if there is no directory of that name.
Result<std::optional<TreeNode>> Subdirectory(DirectoryCache& cache, const Id& tree,
                                             std::string_view name) {
  HF_ASSIGN(DirectoryCache::Lease directory, cache.Borrow(tree));
  std::optional<std::size_t> at = directory->Find(name);
  if (!at) return std::nullopt;
  HF_ASSIGN(TreeNode node, directory->Node(*at));
  if (node.attributes.type != NodeType::kDirectory) return std::nullopt;
  return node;
}

}  // namespace

Result<std::vector<std::string_view>> SplitPath(std::string_view path) {
  std::string_view rest = path;
  while (rest.starts_with('/')) rest.remove_prefix(1);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  std::vector<std::string_view> components;
  while (!rest.empty()) {
    std::size_t slash = std::min(rest.find('/'), rest.size());
    std::string_view component = rest.substr(0, slash);
    if (component.empty() || component == "." || component == ".." ||
        component.find('\0') != std::string_view::npos) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is not a path inside a snapshot", Quote(path)),
                  R"(write it from the snapshot's top, without "." and "..")");
    }
    components.push_back(component);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  return components;
}

std::size_t CommonBytes(std::string_view a, std::string_view b) {
  if (a.starts_with(b)) return b.size();
  if (b.starts_with(a)) return a.size();
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

std::unique_ptr<ByteReader> OpenContent(BlobStore& blobs, const TreeNode& node, std::string path) {
  return std::make_unique<ContentReader>(blobs, node, std::move(path));
}

RepositoryView::RepositoryView(Repository& repository, const Id& snapshot, TreeNode top,
                               std::optional<Manifest> manifest)
    : repository_(repository),
      snapshot_id_(snapshot.Hex()),
      top_(std::move(top)),
      manifest_(std::move(manifest)),
      cache_(repository.blobs()) {}

Result<std::optional<Id>> RepositoryView::FindTree(std::string_view path) {
  std::size_t known = 0;  // levels
  std::size_t at = 0;     // where the next component begins
  Id tree = *top_.subtree;
  {
    std::lock_guard lock(mutex_);
    const std::size_t same = CommonBytes(way_path_, path);
    const auto beyond =
        std::ranges::upper_bound(way_, same, {}, &std::pair<std::size_t, Id>::first);
    known = static_cast<std::size_t>(beyond - way_.begin());
    const auto ends_there = [&](std::size_t end) { return end == path.size() || path[end] == '/'; };
    while (known > 0 && !ends_there(way_[known - 1].first)) --known;
    if (known > 0) {
      tree = way_[known - 1].second;
      at = way_[known - 1].first + 1;
    }
  }
  if (at >= path.size()) return tree;
  if (path[at] == '/') return Fail(SplitPath(path).error());  // an empty component
  HF_ASSIGN(const std::vector<std::string_view> components, SplitPath(path.substr(at)));
  std::vector<std::pair<std::size_t, Id>> further;
  for (std::string_view component : components) {
    HF_ASSIGN(std::optional<TreeNode> next, Subdirectory(cache_, tree, component));
    if (!next) return std::nullopt;
    tree = *next->subtree;
    further.emplace_back(static_cast<std::size_t>(component.end() - path.begin()), tree);
  }
  std::lock_guard lock(mutex_);
  // If another thread has changed the remembered path, keep that.
  const bool is_same = way_.size() >= known && (known == 0 || way_[known - 1].first + 1 == at) &&
                       CommonBytes(way_path_, path) + 1 >= at;
  if (!is_same) return tree;
  way_.resize(known);
  way_.insert(way_.end(), further.begin(), further.end());
  way_path_ = path;
  return tree;
}

Result<bool> RepositoryView::With(std::string_view path,
                                  const std::function<void(const Found&)>& use) {
  {
    std::lock_guard lock(mutex_);
    if (last_found_ && path == last_path_) {
      use(*last_found_);
      return true;
    }
  }
  HF_ASSIGN(std::unique_ptr<Found> found, Look(path));
  if (found == nullptr) return false;
  std::lock_guard lock(mutex_);
  last_path_ = path;
  last_found_ = std::move(found);
  use(*last_found_);
  return true;
}

Result<std::unique_ptr<RepositoryView::Found>> RepositoryView::Look(std::string_view path) {
  std::string_view rest = path;
  while (rest.starts_with('/')) rest.remove_prefix(1);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.empty()) return std::make_unique<Found>(top_, "");
  const std::string_view name = BaseName(rest);
  HF_TRY(SplitPath(name));
  const std::string_view parent = PathAbove(rest);
  if (parent.ends_with('/')) return Fail(SplitPath(path).error());  // an empty component
  HF_ASSIGN(std::optional<Id> tree, FindTree(parent));
  if (!tree) return nullptr;
  HF_ASSIGN(DirectoryCache::Lease directory, cache_.Borrow(*tree));
  std::optional<std::size_t> at = directory->Find(name);
  if (!at) return nullptr;
  HF_ASSIGN(TreeNode node, directory->Node(*at));
  return std::make_unique<Found>(std::move(node), std::string(directory->json(*at)));
}

Result<TreeNode> RepositoryView::Need(std::string_view path) {
  std::optional<TreeNode> node;
  HF_TRY(With(path, [&](const Found& found) { node = found.node; }));
  if (node) return *std::move(node);
  // Find where the path ends, and what is there instead.
  HF_ASSIGN(std::vector<std::string_view> components, SplitPath(path));
  Id tree = *top_.subtree;
  std::string reached;
  for (std::string_view component : components) {
    HF_ASSIGN(std::optional<TreeNode> next, Subdirectory(cache_, tree, component));
    if (next) {
      tree = *next->subtree;
      reached += std::string(component) + "/";
      continue;
    }
    HF_ASSIGN(DirectoryCache::Lease directory, cache_.Borrow(tree));
    std::string names = NearNames(*directory, component);
    const std::string where = reached.empty() ? "its top directory" : Quote(reached);
    return Fail(
        ErrorCode::kNotFound,
        fmt::format("snapshot {} has no {}", snapshot_id_.substr(0, 8), Quote(path)),
        names.empty() ? fmt::format("{} is empty", where) : fmt::format("{} has {}", where, names));
  }
  return Fail(ErrorCode::kInternal, fmt::format("path {} appeared and disappeared", Quote(path)));
}

Result<std::optional<Attributes>> RepositoryView::Stat(std::string_view path) {
  std::optional<Attributes> attributes;
  HF_TRY(With(path, [&](const Found& found) { attributes = found.node.attributes; }));
  return attributes;
}

Result<std::unique_ptr<const SnapshotEntry>> RepositoryView::Find(std::string_view path) {
  HF_ASSIGN(std::unique_ptr<Found> found, Look(path));
  return std::unique_ptr<const SnapshotEntry>(std::move(found));
}

Result<void> RepositoryView::List(std::string_view path,
                                  const std::function<Result<void>(const ViewEntry&)>& visit) {
  HF_ASSIGN(TreeNode node, Need(path));
  if (node.attributes.type != NodeType::kDirectory) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is not a directory", Quote(path)));
  }
  HF_ASSIGN(DirectoryCache::Lease directory, cache_.Borrow(*node.subtree));
  for (std::size_t i = 0; i < directory->size(); ++i) {
    HF_ASSIGN(TreeNode entry, directory->Node(i));
    HF_TRY(visit({std::move(entry.name), std::move(entry.attributes)}));
  }
  return {};
}

Result<std::unique_ptr<ByteReader>> RepositoryView::Open(std::string_view path) {
  HF_ASSIGN(TreeNode node, Need(path));
  if (node.attributes.type != NodeType::kFile) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is not a file", Quote(path)));
  }
  return OpenContent(repository_.blobs(), node, std::string(path));
}

Result<std::unique_ptr<SnapshotView>> OpenSnapshot(Repository& repository,
                                                   const SnapshotInfo& snapshot) {
  const auto context = [&] { return "open snapshot " + snapshot.id.Hex().substr(0, 8); };
  TreeNode top;
  top.attributes.type = NodeType::kDirectory;
  top.attributes.mode = 0755;
  top.attributes.mtime = top.attributes.atime = top.attributes.ctime = snapshot.time;
  top.subtree = snapshot.tree;
  std::optional<Manifest> manifest;
  DirectoryCache cache(repository.blobs());
  const auto load = [&]() -> Result<void> {
    if (snapshot.kind.empty()) return {};
    HF_ASSIGN(std::optional<TreeNode> kind, Subdirectory(cache, snapshot.tree, snapshot.kind));
    if (!kind) return {};
    HF_ASSIGN(std::optional<TreeNode> name, Subdirectory(cache, *kind->subtree, snapshot.name));
    if (!name) return {};
    top = *std::move(name);
    HF_ASSIGN(DirectoryCache::Lease directory, cache.Borrow(*top.subtree));
    HF_ASSIGN(manifest, LoadManifest(repository.blobs(), *directory));
    return {};
  };
  if (Result<void> loaded = load(); !loaded)
    return Fail(std::move(loaded).error().While(context()));
  return std::make_unique<RepositoryView>(repository, snapshot.id, std::move(top),
                                          std::move(manifest));
}

}  // namespace holdfast::repository
