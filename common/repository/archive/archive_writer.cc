// Exports a snapshot as an archive; see archive.h.
#include <unordered_map>
#include <utility>
#include <variant>

#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/crypto/sha256.h"
#include "common/repository/archive/archive.h"
#include "common/repository/archive/archive_entry.h"
#include "common/repository/archive/frame_stream.h"
#include "common/repository/snapshot/repository_view.h"
#include "common/repository/snapshot/tree_walk.h"
#include "common/repository/store/blob_bundle.h"
#include "common/stream/tar_writer.h"

namespace holdfast::repository {
namespace {

// Limits of a batch: its blobs are read in parallel, and then it is written.
constexpr std::uint64_t kStretchBytes = 16U << 20;
constexpr std::size_t kStretchSteps = 4096;
// What one thread reads at a time. Consecutive blobs are mostly adjacent in a pack.
constexpr std::uint64_t kGroupBytes = 1U << 20;

// Identifies a file. Its inode is not enough: if a snapshot has parts from several nodes, different
// files may have equal inodes.
struct InodeKey {
  std::uint64_t device_id;
  std::uint64_t inode;
  Id file;  // hash of what all names of a file have in common
  bool operator==(const InodeKey&) const = default;
};
struct InodeKeyHash {
  std::size_t operator()(const InodeKey& key) const { return IdHash()(key.file) ^ key.inode; }
};

Id HashOfFile(const TreeNode& node) {
  const Attributes& attributes = node.attributes;
  const std::string owner =
      fmt::format("{} {} {} {}.{}", attributes.mode, attributes.uid, attributes.gid,
                  attributes.mtime.seconds, attributes.mtime.nanoseconds);
  crypto::Sha256 hash;
  for (const Id& id : node.content) hash.Update(id.bytes);
  hash.Update(AsBytes(owner));
  return Id{hash.Finish()};
}

// Collects entries and their blobs, and reads many blobs in parallel before it writes.
class ArchiveWalk final : public TreeVisitor {
 public:
  ArchiveWalk(Repository& repository, TarWriter& tar, Progress& progress, std::stop_token stop)
      : repository_(repository), tar_(tar), progress_(progress), stop_(std::move(stop)) {}

  Result<bool> Visit(const std::string& path, const TreeNode& node) override {
    Entry entry{.path = path, .attributes = node.attributes};
    ArchivedNode archived;
    HF_ASSIGN(archived.json, WithoutReferences(json()));
    const bool is_file = node.attributes.type == NodeType::kFile;
    if (node.attributes.type == NodeType::kSocket) archived.path = path;
    if (is_file) {
      HF_ASSIGN(archived.blobs, SizesOf(path, node));
      entry.first_name = FindFirstName(path, node);
    }
    entry.comment = EncodeArchivedNode(archived);
    const bool has_content = is_file && entry.first_name.empty();
    const std::size_t bytes = entry.comment.size();
    HF_TRY(Add(std::move(entry), bytes));
    if (!has_content) return true;
    for (const Id& id : node.content) {
      HF_TRY(Add(Content{id}, repository_.index().Find(BlobType::kData, id)->plain_length));
    }
    return true;
  }

  // Reads and writes what was collected.
  Result<void> Finish() {
    HF_ASSIGN(const std::vector<Result<Bytes>> blobs, ReadBlobs());
    std::size_t next = 0;
    for (const Step& step : steps_) {
      HF_TRY(CheckStop(stop_));
      const Entry* const entry = std::get_if<Entry>(&step);
      HF_TRY(entry != nullptr ? Write(*entry) : Write(blobs[next++]));
    }
    steps_.clear();
    bytes_ = 0;
    return {};
  }

 private:
  struct Entry {
    std::string path;
    Attributes attributes;
    std::string comment;
    std::string first_name;  // an earlier name of the same file
  };
  // A blob of the preceding file.
  struct Content {
    Id blob;
  };
  using Step = std::variant<Entry, Content>;

  Result<void> Add(Step step, std::uint64_t bytes) {
    steps_.push_back(std::move(step));
    bytes_ += bytes;
    return bytes_ < kStretchBytes && steps_.size() < kStretchSteps ? Result<void>{} : Finish();
  }

  // Reads the blobs of steps_, in order. Errors about single blobs are in the list.
  Result<std::vector<Result<Bytes>>> ReadBlobs() {
    struct Group {
      std::size_t begin = 0;
      std::size_t end = 0;
      std::uint64_t bytes = 0;
    };
    std::vector<Id> ids;
    std::vector<Group> groups;
    for (const Step& step : steps_) {
      const Content* const content = std::get_if<Content>(&step);
      if (content == nullptr) continue;
      if (groups.empty() || groups.back().bytes >= kGroupBytes) {
        groups.push_back({.begin = ids.size()});
      }
      ids.push_back(content->blob);
      groups.back().end = ids.size();
      groups.back().bytes += repository_.index().Find(BlobType::kData, content->blob)->plain_length;
    }
    std::vector<Result<Bytes>> blobs(ids.size());
    const auto read_group = [&](std::size_t i) -> Result<void> {
      HF_TRY(CheckStop(stop_));
      const Group& group = groups[i];
      BlobBundle bundle(repository_);
      for (std::size_t at = group.begin; at < group.end; ++at) (void)bundle.Add(ids[at]);
      HF_TRY(bundle.Read());
      for (std::size_t at = group.begin; at < group.end; ++at) {
        blobs[at] = bundle.Open(at - group.begin);
      }
      return {};
    };
    HF_TRY(ForEachInParallel(groups.size(), ThreadsFor(repository_.storage()), read_group));
    return blobs;
  }

  Result<void> Write(const Entry& entry) {
    ++progress_.items;
    path_ = entry.path;
    if (entry.attributes.type == NodeType::kSocket) return tar_.Comment(entry.comment);
    const std::string first_name =
        entry.first_name.empty() ? "" : std::string(kArchivedTree) + entry.first_name;
    return tar_.Begin(std::string(kArchivedTree) + entry.path, entry.attributes,
                      {.link_to = first_name, .comment = entry.comment});
  }

  Result<void> Write(const Result<Bytes>& blob) {
    if (!blob) return Fail(blob.error().While("read " + Quote(path_)));
    HF_TRY(tar_.Data(*blob));
    progress_.bytes += blob->size();
    return {};
  }

  // The sizes of the file's blobs. Fails if the index does not have all of them.
  Result<std::optional<std::vector<BlobRun>>> SizesOf(const std::string& path,
                                                      const TreeNode& node) const {
    if (!node.has_content) {
      return Fail(ErrorCode::kCorrupt, fmt::format("{} has no list of blobs", Quote(path)),
                  "`holdfast-agent check` lists all damage");
    }
    std::optional<std::vector<BlobRun>> runs(std::in_place);
    for (const Id& id : node.content) {
      const std::optional<BlobLocation> location = repository_.index().Find(BlobType::kData, id);
      if (!location) {
        return Fail(
            ErrorCode::kCorrupt,
            fmt::format("{} needs data blob {}, which is in no pack", Quote(path), id.Hex()),
            "`holdfast-agent check` lists everything that is missing");
      }
      if (location->plain_length > kArchivedBlobBytesMax || location->plain_length == 0) {
        runs.reset();
      }
      if (!runs) continue;
      if (runs->empty() || runs->back().bytes != location->plain_length) {
        runs->push_back({location->plain_length, 0});
      }
      ++runs->back().count;
    }
    return runs;
  }

  // The first name of the same file; empty if this is the first.
  std::string FindFirstName(const std::string& path, const TreeNode& node) {
    const Attributes& attributes = node.attributes;
    if (attributes.links < 2 || attributes.inode == 0) return "";
    const auto [known, is_new] = names_.try_emplace(
        InodeKey{attributes.device_id, attributes.inode, HashOfFile(node)}, path);
    return is_new ? "" : known->second;
  }

  Repository& repository_;
  TarWriter& tar_;
  Progress& progress_;
  const std::stop_token stop_;
  std::vector<Step> steps_;  // next in the archive, not read yet
  std::uint64_t bytes_ = 0;  // of content and comments in steps_
  std::string path_;         // of the entry written last
  std::unordered_map<InodeKey, std::string, InodeKeyHash> names_;
};

Result<void> WriteMeta(TarWriter& tar, Repository& repository, const SnapshotInfo& snapshot) {
  HF_ASSIGN(const Bytes json, repository.files().LoadCached(FileKind::kSnapshot, snapshot.id));
  // The position is only informational. A damaged manifest is reported when the tree is read.
  HF_ASSIGN(const auto view, OpenSnapshot(repository, snapshot));
  const std::string meta = EncodeArchiveMeta(
      {snapshot, std::string(AsText(json))},
      view->manifest() ? view->manifest()->position : std::map<std::string, std::string>(),
      repository.clock().Now());
  Attributes attributes;
  attributes.mode = 0600;
  attributes.size = meta.size();
  attributes.mtime = snapshot.time;
  HF_TRY(tar.Begin(std::string(kArchivedMeta), attributes));
  return tar.Data(AsBytes(meta));
}

}  // namespace

Result<ExportReport> ExportSnapshot(Repository& repository, const SnapshotInfo& snapshot,
                                    const std::function<Result<void>(ByteView)>& write,
                                    Progress& progress, std::stop_token stop) {
  progress.SetPhase("export");
  progress.bytes_total = snapshot.bytes_processed;
  ExportReport report;
  FrameWriter frame([&](ByteView piece) {
    report.bytes_written += piece.size();
    return write(piece);
  });
  TarWriter tar([&](ByteView piece) { return frame.Add(piece); });
  HF_TRY(WriteMeta(tar, repository, snapshot));
  ArchiveWalk walk(repository, tar, progress, stop);
  HF_TRY(WalkTree(repository.blobs(), snapshot.tree, "", walk, stop));
  HF_TRY(walk.Finish());
  HF_TRY(tar.Finish());
  HF_TRY(frame.Finish());
  report.items = progress.items;
  report.bytes = progress.bytes;
  return report;
}

}  // namespace holdfast::repository
