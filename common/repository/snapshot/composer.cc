#include "common/repository/snapshot/composer.h"

#include <algorithm>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/snapshot/snapshot_codec.h"
#include "common/repository/store/lock.h"
#include "common/repository/tree/own_file.h"
#include "common/repository/tree/tree_blobs.h"

namespace holdfast::repository {
namespace {

// Merges the attributes of a directory that two parts have. A part that did not see the real
// directory gave it no inode.
Attributes Unite(const Attributes& a, const Attributes& b) {
  bool takes_b = a.inode == 0 && b.inode != 0;
  Attributes united = takes_b ? b : a;
  if (a.inode == 0 && b.inode == 0) {
    united.mtime = united.atime = united.ctime = std::max(a.mtime, b.mtime);
  }
  return united;
}

// Merges the trees of parts. Uses an explicit stack, because the sources determine how deeply
// directories nest.
class Merger {
 public:
  // Uses only those `options` that concern trees. All arguments must outlive the merger.
  Merger(BlobStore& blobs, TreeSaver& trees, const ComposeOptions& options)
      : blobs_(blobs), trees_(trees), options_(options) {}

  // The merged top directory, including `manifest`. kInternal if two parts have the same path.
  Result<Id> Merge(std::span<const Part> parts, const TreeNode& manifest) {
    Level top = NewLevel();
    for (const Part& part : parts) HF_TRY(Load(part.tree, top));
    HF_CHECK(top.merged.Add(manifest));
    levels_.push_back(std::move(top));
    for (;;) {
      HF_ASSIGN(bool is_complete, Step());
      if (!is_complete) continue;
      HF_ASSIGN(Id tree, trees_.Save(levels_.back().merged));
      TreeNode node = std::move(levels_.back().node);
      levels_.pop_back();
      if (levels_.empty()) return tree;
      node.subtree = tree;
      if (!levels_.back().merged.Add(node)) return Fail(Twice(node.name));
    }
  }

 private:
  // A directory that several parts have.
  struct Level {
    TreeNode node;  // the directory itself, without its subtree
    std::vector<Directory> sources;
    std::vector<std::size_t> next;  // per source, the next entry to merge
    TreeBuilder merged;
  };

  Level NewLevel() const {
    Level level;
    level.merged = trees_.NewBuilder();
    return level;
  }

  Result<void> Load(const Id& tree, Level& level) {
    HF_ASSIGN(Directory directory, LoadDirectory(blobs_, tree));
    level.sources.push_back(std::move(directory));
    level.next.push_back(0);
    return {};
  }

  Error Twice(std::string_view name) const {
    std::string path;
    for (std::size_t i = 1; i < levels_.size(); ++i) path += levels_[i].node.name + "/";
    return Error(ErrorCode::kInternal,
                 fmt::format("two parts of the snapshot have the same path {}",
                             Quote(path + std::string(name))));
  }

  // Merges entries of the innermost level. True if it is complete, false if a new level begins.
  Result<bool> Step() {
    Level& level = levels_.back();
    for (;;) {
      std::vector<std::size_t> holders = NextHolders(level);
      if (holders.empty()) return true;
      std::size_t first = holders.front();
      const Directory& source = level.sources[first];
      std::size_t entry = level.next[first];
      std::string name(source.name(entry));
      if (levels_.size() == 1 && !options_.leave_out.empty() && name == options_.leave_out) {
        for (std::size_t holder : holders) ++level.next[holder];
        continue;
      }
      if (holders.size() == 1) {
        if (!level.merged.AddJson(name, source.json(entry))) return Fail(Twice(name));
        ++level.next[first];
        continue;
      }
      Level inner = NewLevel();
      for (std::size_t holder : holders) {
        HF_ASSIGN(TreeNode node, level.sources[holder].Node(level.next[holder]++));
        if (node.attributes.type != NodeType::kDirectory) return Fail(Twice(name));
        HF_TRY(Load(*node.subtree, inner));
        Attributes united =
            inner.node.subtree ? Unite(inner.node.attributes, node.attributes) : node.attributes;
        inner.node = std::move(node);
        inner.node.attributes = std::move(united);
      }
      if (options_.same_file == SameFile::kTakeFirst) {
        HF_ASSIGN(const bool is_taken, IsTakenWhole(inner));
        if (is_taken) {
          if (!level.merged.AddJson(name, source.json(entry))) return Fail(Twice(name));
          continue;
        }
      }
      levels_.push_back(std::move(inner));
      return false;
    }
  }

  // Whether two sources of a new level have a file of the same name, so that the first source is
  // used instead of merging. Fails if that would lose a subdirectory of another source.
  Result<bool> IsTakenWhole(Level& level) const {
    bool has_same_file = false;
    while (!has_same_file) {
      const std::vector<std::size_t> holders = NextHolders(level);
      if (holders.empty()) break;
      for (std::size_t holder : holders) {
        const std::size_t entry = level.next[holder]++;
        if (holders.size() == 1) continue;
        HF_ASSIGN(const bool is_directory, IsDirectory(level.sources[holder], entry));
        has_same_file = has_same_file || !is_directory;
      }
    }
    std::ranges::fill(level.next, 0);
    if (!has_same_file) return false;
    const Directory& first = level.sources.front();
    for (std::size_t i = 1; i < level.sources.size(); ++i) {
      const Directory& other = level.sources[i];
      for (std::size_t entry = 0; entry < other.size(); ++entry) {
        HF_ASSIGN(const bool is_directory, IsDirectory(other, entry));
        if (!is_directory) continue;
        const std::optional<std::size_t> found = first.Find(other.name(entry));
        HF_ASSIGN(const bool is_there, found ? IsDirectory(first, *found) : Result<bool>(false));
        if (!is_there) {
          return Fail(Twice(fmt::format("{}/{}", level.node.name, other.name(entry))));
        }
      }
    }
    return true;
  }

  static Result<bool> IsDirectory(const Directory& directory, std::size_t entry) {
    HF_ASSIGN(const TreeNode node, directory.Node(entry));
    return node.attributes.type == NodeType::kDirectory;
  }

  // The sources whose next entry has the smallest name.
  static std::vector<std::size_t> NextHolders(const Level& level) {
    std::vector<std::size_t> holders;
    std::string_view smallest;
    for (std::size_t i = 0; i < level.sources.size(); ++i) {
      if (level.next[i] == level.sources[i].size()) continue;
      std::string_view name = level.sources[i].name(level.next[i]);
      if (holders.empty() || name < smallest) {
        holders.assign(1, i);  // `= {i}` makes GCC 14 warn of array bounds
        smallest = name;
      } else if (name == smallest) {
        holders.push_back(i);
      }
    }
    return holders;
  }

  BlobStore& blobs_;
  TreeSaver& trees_;
  const ComposeOptions& options_;
  std::vector<Level> levels_;
};

// Saves a directory whose only entry is the directory `name` with `subtree`.
Result<Id> SaveWrapper(TreeSaver& trees, std::string_view name, const Id& subtree, WallTime time) {
  TreeNode node;
  node.name = name;
  node.attributes = OwnAttributes(NodeType::kDirectory, 0755, time);
  node.subtree = subtree;
  TreeBuilder builder = trees.NewBuilder();
  HF_CHECK(builder.Add(node));
  return trees.Save(builder);
}

void AddTo(PartStatistics& total, const PartStatistics& part) {
  total.files_new += part.files_new;
  total.files_changed += part.files_changed;
  total.files_unmodified += part.files_unmodified;
  total.directories_new += part.directories_new;
  total.directories_changed += part.directories_changed;
  total.directories_unmodified += part.directories_unmodified;
  total.items += part.items;
  total.bytes_processed += part.bytes_processed;
  total.bytes_read += part.bytes_read;
  total.blobs.data_blobs += part.blobs.data_blobs;
  total.blobs.tree_blobs += part.blobs.tree_blobs;
  total.blobs.bytes_added += part.blobs.bytes_added;
  total.blobs.bytes_packed += part.blobs.bytes_packed;
}

// Splits "/<kind>/<name>" into kind and name.
Result<std::pair<std::string, std::string>> SplitSourcePath(const std::string& path) {
  std::size_t slash = path.find('/', 1);
  bool is_good = path.starts_with('/') && slash != std::string::npos && slash > 1 &&
                 slash + 1 < path.size() && path.find('/', slash + 1) == std::string::npos;
  if (!is_good) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("snapshot path {} is not \"/<kind>/<name>\"", Quote(path)));
  }
  return std::pair(path.substr(1, slash - 1), path.substr(slash + 1));
}

}  // namespace

Result<Bytes> ComposeSealed(Repository& repository, std::span<const Part> parts,
                            const Manifest& manifest, const ComposeOptions& options) {
  HF_ASSIGN(auto words, SplitSourcePath(options.path));
  std::unique_ptr<BlobWriter> writer = BlobWriter::Begin(repository, options.lock);
  HF_ASSIGN(TreeNode manifest_node, SaveOwnFile(*writer, "manifest.json",
                                                AsBytes(EncodeManifest(manifest)), options.begin));
  TreeSaver trees(repository, *writer, options.lock);
  HF_ASSIGN(Id top, Merger(repository.blobs(), trees, options).Merge(parts, manifest_node));
  HF_ASSIGN(Id kind_tree, SaveWrapper(trees, words.second, top, options.begin));
  HF_ASSIGN(Id root, SaveWrapper(trees, words.first, kind_tree, options.begin));

  SnapshotSummary summary;
  for (const Part& part : parts) AddTo(summary.statistics, part.statistics);
  PartStatistics own;
  own.files_new = 1;  // the manifest, which always differs
  own.bytes_processed = manifest_node.attributes.size;
  HF_ASSIGN(const BlobStatistics written, writer->Finish());
  HF_TRY(trees.Finish());
  own.blobs = written + trees.statistics();
  AddTo(summary.statistics, own);
  summary.begin = options.begin;
  summary.end = std::max(repository.clock().Now(), options.begin);

  SnapshotInfo snapshot;
  snapshot.time = ToUnixTime(options.begin);
  snapshot.parent = options.parent;
  snapshot.tree = root;
  snapshot.paths = {options.path};
  snapshot.host = options.host;
  snapshot.user = options.user;
  snapshot.tags = options.tags;
  snapshot.program_version = "holdfast/" HOLDFAST_VERSION;
  std::string json = EncodeSnapshot(snapshot, summary);
  return repository.files().Seal(AsBytes(json));
}

Result<Id> Compose(Repository& repository, std::span<const Part> parts, const Manifest& manifest,
                   const ComposeOptions& options) {
  HF_ASSIGN(Bytes sealed, ComposeSealed(repository, parts, manifest, options));
  return PutSnapshot(repository.files(), sealed, options.lock);
}

Result<Id> PutSnapshot(SealedFiles& files, ByteView sealed, const Lock* lock,
                       const Permit& permit) {
  const auto may_write = [&]() -> Result<void> {
    if (lock != nullptr) HF_TRY(lock->Confirm());
    return permit ? permit() : Result<void>{};
  };
  CrashPoint("repository.snapshot.before_put");
  HF_ASSIGN(Id id, files.Store(FileKind::kSnapshot, sealed, may_write));
  CrashPoint("repository.snapshot.after_put");
  return id;
}

Result<SnapshotInfo> OpenSealedSnapshot(SealedFiles& files, ByteView sealed) {
  HF_ASSIGN(Bytes json, files.Open(sealed));
  return DecodeSnapshot(Id{crypto::Sha256Of(sealed)}, AsText(json));
}

}  // namespace holdfast::repository
