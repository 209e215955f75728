// Imports an archive as a snapshot; see archive.h.
#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

#include "common/base/format.h"
#include "common/base/path.h"
#include "common/repository/archive/archive.h"
#include "common/repository/archive/archive_entry.h"
#include "common/repository/archive/frame_stream.h"
#include "common/repository/maintain/copy.h"
#include "common/repository/snapshot/composer.h"
#include "common/repository/snapshot/snapshot_codec.h"
#include "common/repository/store/blob_memory.h"
#include "common/repository/store/blob_writer.h"
#include "common/repository/tree/content_saver.h"
#include "common/repository/tree/tree_blobs.h"
#include "common/stream/tar_reader.h"
#include "common/stream/tar_writer.h"

namespace holdfast::repository {
namespace {

constexpr std::uint64_t kMetaBytesMax = 16U << 20;
// Entries of one directory that may wait for pending blobs, their own or an earlier entry's.
constexpr std::size_t kEntriesWaitingMax = 1024;

// Shortens the path: in a malicious archive it may have megabytes.
std::string Shown(std::string_view path) {
  constexpr std::size_t kShownBytesMax = 200;
  return Quote(path.substr(0, kShownBytesMax));
}

std::unexpected<Error> Hostile(std::string message) {
  return Fail(ErrorCode::kCorrupt, std::move(message));
}

// Reads the content of the archive's current entry.
class EntryReader final : public ByteReader {
 public:
  explicit EntryReader(TarReader& tar) : tar_(tar) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    const std::size_t count = std::min<std::uint64_t>(buffer.size(), tar_.left());
    HF_TRY(tar_.Data(buffer.first(count)));
    return count;
  }

 private:
  TarReader& tar_;
};

// Rebuilds the tree, directory by directory, in the order of the archive's entries.
class TreeAssembly {
 public:
  TreeAssembly(Repository& repository, BlobWriter& writer, TreeSaver& trees, BlobMemory& memory,
               TarReader& tar, Progress& progress, const std::stop_token& stop)
      : writer_(writer),
        trees_(trees),
        memory_(memory),
        saver_(repository.keys(), writer, nullptr),
        tar_(tar),
        progress_(progress),
        stop_(stop) {
    levels_.push_back({.entries = trees_.NewBuilder()});
  }

  Result<void> Add(const TarEntry& entry) {
    HF_TRY(CheckStop(stop_));
    HF_ASSIGN(ArchivedNode archived, DecodeArchivedNode(entry.comment));
    HF_ASSIGN(const std::string path, PathOf(entry, archived));
    HF_ASSIGN(const TreeNode node, DecodeStripped(archived.json));
    const std::string_view directory = PathAbove(path);
    if (directory.empty() && path.starts_with('/'))
      return Hostile(fmt::format("{} in the archive is not a path", Shown(entry.path)));
    if (node.name != BaseName(path)) {
      return Hostile(
          fmt::format("{} has the metadata of an entry named {}", Shown(path), Shown(node.name)));
    }
    HF_TRY(Enter(directory, path));
    const bool is_other_name = entry.type == '1' && node.attributes.type == NodeType::kFile;
    if (entry.type != TarTypeOf(node.attributes.type) && !is_other_name) {
      return Hostile(fmt::format("{} has the metadata of an entry of another type", Shown(path)));
    }
    ++progress_.items;
    switch (node.attributes.type) {
      case NodeType::kDirectory:
        // A duplicate name is detected when this directory is complete.
        directory_ = path;
        levels_.push_back({.path_bytes = path.size(),
                           .name = node.name,
                           .json = std::move(archived.json),
                           .entries = trees_.NewBuilder()});
        return {};
      case NodeType::kFile:
        return is_other_name ? AddOtherName(entry, node, std::move(archived), path)
                             : AddFile(entry, node, std::move(archived), path);
      default:
        return Place({.name = node.name, .json = std::move(archived.json)});
    }
  }

  // The tree, and whether it must be identical to the exported one.
  struct Tree {
    Id id;
    bool is_exact = true;
  };
  Result<Tree> Finish() {
    while (levels_.size() > 1) HF_TRY(Leave());
    HF_ASSIGN(const Id id, Close(levels_.back()));
    return Tree{id, is_exact_};
  }

 private:
  struct Waiting {
    std::string name;
    std::string json;
    std::shared_ptr<BlobIds> blobs = nullptr;  // null: the entry is already complete
    std::string remembered_as;                 // its path, if the file has several names
  };
  struct Level {
    std::size_t path_bytes = 0;  // length of its path, a prefix of directory_
    std::string name;
    std::string json;  // of the directory itself
    TreeBuilder entries;
    std::vector<Waiting> waiting;  // to be added after `entries`
  };

  static Result<std::string> PathOf(const TarEntry& entry, const ArchivedNode& archived) {
    if (entry.type == 'g') return archived.path;
    if (!entry.path.starts_with(kArchivedTree)) {
      return Hostile(fmt::format("{} in the archive is not below {}", Shown(entry.path),
                                 Shown(kArchivedTree)));
    }
    return entry.path.substr(kArchivedTree.size());
  }

  // Decodes a node whose references were replaced by null. A directory is valid only with a
  // subtree, so it gets a constant one; without that field, it is rejected.
  static Result<TreeNode> DecodeStripped(std::string_view json) {
    Result<std::string> full = WithSubtree(json, Id{{1}});
    return DecodeNode(full ? *full : std::string(json));
  }

  // Leaves directories until `directory`, which contains the next entry, is the innermost.
  Result<void> Enter(std::string_view directory, const std::string& path) {
    while (directory_ != directory) {
      const bool is_inside = levels_.size() > 1;
      if (!is_inside) {
        return Hostile(
            fmt::format("{} in the archive does not come after its directory", Shown(path)));
      }
      HF_TRY(Leave());
    }
    return {};
  }

  Result<void> Leave() {
    HF_ASSIGN(const Id tree, Close(levels_.back()));
    const Level left = std::move(levels_.back());
    levels_.pop_back();
    directory_.resize(levels_.back().path_bytes);
    HF_ASSIGN(std::string json, WithSubtree(left.json, tree));
    return Place({.name = left.name, .json = std::move(json)});
  }

  Result<Id> Close(Level& level) {
    HF_TRY(PlaceWaiting(level));
    return trees_.Save(level.entries);
  }

  // Adds an entry to the innermost directory. Archives have entries in ascending order.
  Result<void> Place(Waiting entry) {
    Level& level = levels_.back();
    level.waiting.push_back(std::move(entry));
    return level.waiting.size() < kEntriesWaitingMax ? Result<void>{} : PlaceWaiting(level);
  }

  Result<void> PlaceWaiting(Level& level) {
    for (Waiting& entry : std::exchange(level.waiting, {})) {
      if (entry.blobs != nullptr) {
        HF_TRY(writer_.WaitFor(*entry.blobs));
        std::vector<Id> content = entry.blobs->Take();
        HF_ASSIGN(entry.json, WithContent(entry.json, content));
        if (!entry.remembered_as.empty()) contents_[entry.remembered_as] = std::move(content);
      }
      if (level.entries.AddJson(entry.name, entry.json)) continue;
      const std::string above = directory_.substr(0, level.path_bytes);
      return Hostile(fmt::format("{} is in the archive twice",
                                 Shown(above.empty() ? entry.name : above + "/" + entry.name)));
    }
    return {};
  }

  Result<void> AddFile(const TarEntry& entry, const TreeNode& node, ArchivedNode archived,
                       const std::string& path) {
    if (node.attributes.size != entry.size) {
      return Hostile(fmt::format("{} has the metadata of an entry of another size", Shown(path)));
    }
    Waiting file{.name = node.name,
                 .json = std::move(archived.json),
                 .blobs = std::make_shared<BlobIds>(),
                 .remembered_as = node.attributes.links > 1 ? path : ""};
    if (archived.blobs) {
      HF_TRY(ReadBlobs(*archived.blobs, path, file.blobs));
    } else {
      HF_TRY(CutAgain(file.blobs));
    }
    progress_.bytes += entry.size;
    return Place(std::move(file));
  }

  Result<void> ReadBlobs(const std::vector<BlobRun>& runs, const std::string& path,
                         const std::shared_ptr<BlobIds>& ids) {
    for (const BlobRun& run : runs) {
      if (run.count > tar_.left() / run.bytes) {
        return Hostile(fmt::format("the blobs of {} are longer than the file", Shown(path)));
      }
      for (std::uint64_t i = 0; i < run.count; ++i) {
        HF_TRY(CheckStop(stop_));
        Bytes blob(run.bytes);
        HF_TRY(tar_.Data(blob));
        HF_TRY(writer_.SaveLater(memory_.Hold(std::move(blob)), ids));
      }
    }
    if (tar_.left() == 0) return {};
    return Hostile(fmt::format("the blobs of {} are shorter than the file", Shown(path)));
  }

  // Cuts a file without recorded sizes by this repository's chunker.
  Result<void> CutAgain(std::shared_ptr<BlobIds>& ids) {
    is_exact_ = false;
    EntryReader reader(tar_);
    HF_ASSIGN(SavedContent saved, saver_.Save(reader, Chunking::Content()));
    if (saved.unreadable) return Fail(*std::move(saved.unreadable));
    ids = std::move(saved.blobs);
    return {};
  }

  Result<void> AddOtherName(const TarEntry& entry, const TreeNode& node, ArchivedNode archived,
                            const std::string& path) {
    const std::string target =
        entry.target.starts_with(kArchivedTree) ? entry.target.substr(kArchivedTree.size()) : "";
    if (!contents_.contains(target)) {
      for (Level& level : levels_) HF_TRY(PlaceWaiting(level));
    }
    const auto first = contents_.find(target);
    if (first == contents_.end()) {
      return Hostile(fmt::format("{} is a hard link to {}, which does not come before it",
                                 Shown(path), Shown(entry.target)));
    }
    HF_ASSIGN(std::string json, WithContent(archived.json, first->second));
    return Place({.name = node.name, .json = std::move(json)});
  }

  BlobWriter& writer_;
  TreeSaver& trees_;
  BlobMemory& memory_;
  ContentSaver saver_;
  TarReader& tar_;
  Progress& progress_;
  const std::stop_token& stop_;
  std::string directory_;                                      // the path of the innermost level
  std::vector<Level> levels_;                                  // from the top to the innermost
  std::unordered_map<std::string, std::vector<Id>> contents_;  // of files with several names
  bool is_exact_ = true;
};

Result<ArchiveMeta> ReadMeta(TarReader& tar) {
  constexpr std::string_view kUnpack =
      "unpack it with tar, and back up the directory with a source of kind files";
  Result<std::optional<TarEntry>> next = tar.Next();
  if (!next && next.error().code() == ErrorCode::kUnsupported) {
    return Fail(std::move(next).error().WithHint(std::string(kUnpack)));
  }
  HF_ASSIGN(const std::optional<TarEntry> entry, std::move(next));
  if (!entry || entry->type != '0' || entry->path != kArchivedMeta || entry->size > kMetaBytesMax) {
    return Fail(
        ErrorCode::kUnsupported,
        "it does not begin with \"meta.json\", so `holdfast-agent export` did not create it",
        std::string(kUnpack));
  }
  Bytes text(entry->size);
  HF_TRY(tar.Data(text));
  return DecodeArchiveMeta(AsText(text));
}

Result<void> WriteCopy(Repository& repository, const ArchiveMeta& meta, const Id& tree,
                       const ImportOptions& options, ImportReport& report) {
  HF_ASSIGN(const std::string json,
            EncodeCopy(meta.snapshot_json, OriginalOf(meta.snapshot), tree));
  const Bytes sealed = repository.files().Seal(AsBytes(json));
  HF_ASSIGN(report.copy, PutSnapshot(repository.files(), sealed, options.lock));
  return {};
}

}  // namespace

Result<ImportReport> ImportSnapshot(
    Repository& repository, const std::function<Result<std::size_t>(std::span<std::uint8_t>)>& read,
    const std::vector<SnapshotInfo>& present, const ImportOptions& options, Progress& progress,
    std::stop_token stop) {
  progress.SetPhase("import");
  FrameReader frame(read);
  TarReader tar([&](std::span<std::uint8_t> buffer) { return frame.Some(buffer); });
  HF_ASSIGN(const ArchiveMeta meta, ReadMeta(tar));
  ImportReport report;
  report.snapshot = meta.snapshot;
  progress.bytes_total = meta.snapshot.bytes_processed;
  // Read the archive even if its snapshot exists: the caller relies on the archive being intact.
  const SnapshotInfo* copy = FindCopy(present, meta.snapshot);
  BlobMemory memory;
  const auto writer = BlobWriter::Begin(repository, options.lock);
  TreeSaver trees(repository, *writer, options.lock);
  const auto assemble = [&]() -> Result<TreeAssembly::Tree> {
    TreeAssembly assembly(repository, *writer, trees, memory, tar, progress, stop);
    for (;;) {
      HF_ASSIGN(const std::optional<TarEntry> entry, tar.Next());
      if (!entry) return assembly.Finish();
      HF_TRY(assembly.Add(*entry));
    }
  };
  HF_ASSIGN(const TreeAssembly::Tree tree, assemble());
  if (tree.is_exact && tree.id != meta.snapshot.tree) {
    return Hostile("it does not contain the tree that its \"meta.json\" names: it was altered");
  }
  HF_ASSIGN(const BlobStatistics written, writer->Finish());
  HF_TRY(trees.Finish());
  const BlobStatistics statistics = written + trees.statistics();
  report.items = progress.items;
  report.bytes = progress.bytes;
  report.bytes_added = statistics.bytes_added;
  report.bytes_stored = statistics.bytes_packed;
  if (copy != nullptr) {
    report.was_present = true;
    report.copy = copy->id;
    return report;
  }
  HF_TRY(WriteCopy(repository, meta, tree.id, options, report));
  return report;
}

}  // namespace holdfast::repository
