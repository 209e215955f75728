#include "agent/jobs/restore/browse_job.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/jobs/session/snapshot_finder.h"
#include "agent/jobs/session/snapshot_path.h"
#include "common/base/format.h"
#include "common/base/pattern.h"
#include "common/repository/snapshot/repository_view.h"
#include "common/repository/snapshot/tree_walk.h"
#include "common/stream/original_path.h"
#include "common/stream/tar_writer.h"

namespace holdfast::jobs {
namespace {

using repository::SnapshotInfo;
using repository::TreeNode;

constexpr std::size_t kPieceBytes = 1U << 20;

// An open repository with its snapshots, and with the index loaded after they were listed.
struct Opened {
  std::unique_ptr<RepositorySession> session;
  std::vector<SnapshotInfo> snapshots;
  repository::Repository& repository() { return session->repository(); }
};

Result<Opened> OpenToRead(const JobContext& context, const RepositoryAddress& address) {
  Opened opened;
  HF_ASSIGN(opened.session, RepositorySession::Open(context, address, LockUse::kIfCan));
  for (const std::string& warning : opened.session->warnings())
    context.Note(address.label(), warning);
  HF_ASSIGN(repository::SnapshotListing listing,
            repository::ListReadableSnapshots(opened.repository()));
  for (const repository::UnreadableSnapshot& unreadable : listing.unreadable) {
    context.Note(address.label(), unreadable.error.Text());
  }
  opened.snapshots = std::move(listing.snapshots);
  HF_TRY(opened.repository().index().Load(context.stop));
  return opened;
}

Result<std::string> PathIn(const JobContext& context, repository::Repository& repository,
                           const SnapshotInfo& snapshot, const std::string& typed) {
  if (!typed.starts_with('/')) return TrimSlashes(typed);
  HF_ASSIGN(const auto view, repository::OpenSnapshot(repository, snapshot));
  return ResolvePath(*view, context.OriginalRoot(snapshot.kind), typed);
}

class LsWalk final : public repository::TreeVisitor {
 public:
  LsWalk(const LsVisitor& visitor, bool recursive) : visitor_(visitor), recursive_(recursive) {}
  Result<bool> Visit(const std::string& path, const TreeNode& node) override {
    HF_TRY(visitor_.entry({path, node}));
    return recursive_;
  }

 private:
  const LsVisitor& visitor_;
  const bool recursive_;
};

class FindWalk final : public repository::TreeVisitor {
 public:
  FindWalk(const JobContext& context, std::string_view wanted,
           const std::function<Result<void>(const FoundEntry&)>& visit, FindReport& report)
      : context_(context), visit_(visit), report_(report) {
    if (Result<repository::Id> id = repository::ParseId(wanted)) {
      blob_ = *id;
    } else {
      wanted_ = wanted;
      is_path_ = wanted.find('/') != std::string_view::npos;
    }
  }

  Result<void> Look(repository::BlobStore& blobs, const SnapshotInfo& snapshot) {
    snapshot_ = &snapshot;
    top_ = snapshot.kind.empty() ? "" : snapshot.kind + "/" + snapshot.name + "/";
    pattern_ = TrimSlashes(PatternInSnapshot(context_.OriginalRoot(snapshot.kind), wanted_));
    ++report_.snapshots;
    matches_ = {report_.matches};
    if (blob_ == snapshot.tree) {
      TreeNode node;
      node.attributes.type = NodeType::kDirectory;
      node.subtree = snapshot.tree;
      HF_TRY(Found("", node));
    }
    if (barren_.contains(snapshot.tree)) return {};
    return repository::WalkTree(blobs, snapshot.tree, "", *this, context_.stop);
  }

  Result<bool> Visit(const std::string& path, const TreeNode& node) override {
    // The directories above the snapshot's top have no path for users, but are blobs to find.
    const bool is_below_top = path.size() > top_.size() && path.starts_with(top_);
    const std::string shown = is_below_top ? path.substr(top_.size()) : "";
    if (Matches(shown, node)) HF_TRY(Found(shown, node));
    if (!node.subtree || barren_.contains(*node.subtree)) return false;
    matches_.push_back(report_.matches);
    return true;
  }

  void Leave(const repository::Id& tree) override {
    // If this tree has no match, it has none in other snapshots, unless matching depends on its
    // path.
    if (!is_path_ && matches_.back() == report_.matches) barren_.insert(tree);
    matches_.pop_back();
  }

 private:
  bool Matches(const std::string& path, const TreeNode& node) const {
    if (!blob_) return !path.empty() && MatchesPattern(pattern_, is_path_ ? path : node.name);
    if (node.subtree == blob_) return true;
    return std::ranges::find(node.content, *blob_) != node.content.end();
  }

  Result<void> Found(const std::string& path, const TreeNode& node) {
    ++report_.matches;
    return visit_({*snapshot_, path, node});
  }

  const JobContext& context_;
  const std::function<Result<void>(const FoundEntry&)>& visit_;
  FindReport& report_;
  std::optional<repository::Id> blob_;
  std::string wanted_;   // empty if a blob is searched
  std::string pattern_;  // for the kind of the current snapshot
  bool is_path_ = false;
  const SnapshotInfo* snapshot_ = nullptr;
  std::string top_;                     // of the current snapshot, as a path prefix
  std::vector<std::uint64_t> matches_;  // report_.matches on entering each directory
  std::unordered_set<repository::Id, repository::IdHash> barren_;  // trees without a match
};

// Writes the content in chunks.
Result<void> Copy(repository::BlobStore& blobs, const TreeNode& node, const std::string& path,
                  Progress& progress, const std::function<Result<void>(ByteView)>& write,
                  const std::stop_token& stop) {
  const auto reader = repository::OpenContent(blobs, node, path);
  Bytes buffer(kPieceBytes);
  for (;;) {
    HF_TRY(CheckStop(stop));
    HF_ASSIGN(const std::size_t count, reader->Read(buffer));
    if (count == 0) return {};
    HF_TRY(write(ByteView(buffer).first(count)));
    progress.bytes += count;
  }
}

class DumpWalk final : public repository::TreeVisitor {
 public:
  DumpWalk(repository::BlobStore& blobs, TarWriter& tar, Progress& progress, std::stop_token stop)
      : blobs_(blobs), tar_(tar), progress_(progress), stop_(std::move(stop)) {}

  Result<bool> Visit(const std::string& path, const TreeNode& node) override {
    if (node.attributes.type == NodeType::kSocket) return false;  // tar cannot store sockets
    ++progress_.items;
    HF_TRY(tar_.Begin(path, node.attributes));
    if (node.attributes.type == NodeType::kFile) {
      HF_TRY(Copy(
          blobs_, node, path, progress_, [&](ByteView piece) { return tar_.Data(piece); }, stop_));
    }
    return true;
  }

 private:
  repository::BlobStore& blobs_;
  TarWriter& tar_;
  Progress& progress_;
  std::stop_token stop_;
};

}  // namespace

Result<void> RunLs(const JobContext& context, const RepositoryAddress& address,
                   const LsOptions& options, const LsVisitor& visitor) {
  HF_ASSIGN(Opened opened, OpenToRead(context, address));
  HF_ASSIGN(const SnapshotInfo snapshot,
            ChooseSnapshot(context, address.label(), opened.snapshots, options.snapshot));
  HF_ASSIGN(const std::string path, PathIn(context, opened.repository(), snapshot, options.path));
  HF_ASSIGN(const TreeNode node, repository::FindNode(opened.repository(), snapshot, path));
  HF_TRY(visitor.begin(snapshot));
  if (!node.subtree) return visitor.entry({path, node});
  LsWalk walk(visitor, options.recursive);
  return repository::WalkTree(opened.repository().blobs(), *node.subtree, path, walk, context.stop);
}

Result<FindReport> RunFind(const JobContext& context, const RepositoryAddress& address,
                           const std::string& wanted,
                           const std::function<Result<void>(const FoundEntry&)>& visit) {
  HF_ASSIGN(Opened opened, OpenToRead(context, address));
  ObservedProgress progress(context, "find in " + address.label());
  progress.progress().SetPhase("snapshots");
  progress.progress().items_total = opened.snapshots.size();
  FindReport report;
  FindWalk walk(context, wanted, visit, report);
  for (const SnapshotInfo& snapshot : opened.snapshots) {
    Result<void> looked = walk.Look(opened.repository().blobs(), snapshot);
    if (!looked) {
      return Fail(std::move(looked).error().While(
          fmt::format("read snapshot {}", snapshot.id.Hex().substr(0, 8))));
    }
    ++progress.progress().items;
  }
  return report;
}

Result<SnapshotDiff> RunDiff(
    const JobContext& context, const RepositoryAddress& address, const DiffOptions& options,
    const std::function<Result<void>(const repository::TreeChange&)>& visit) {
  HF_ASSIGN(Opened opened, OpenToRead(context, address));
  SnapshotDiff diff;
  HF_ASSIGN(diff.first, ChooseSnapshot(context, address.label(), opened.snapshots, options.first));
  HF_ASSIGN(diff.second,
            ChooseSnapshot(context, address.label(), opened.snapshots, options.second));
  HF_ASSIGN(const TreeNode first, repository::FindNode(opened.repository(), diff.first, ""));
  HF_ASSIGN(const TreeNode second, repository::FindNode(opened.repository(), diff.second, ""));
  HF_ASSIGN(diff.counts,
            repository::DiffTrees(opened.repository().blobs(), *first.subtree, *second.subtree,
                                  options.with_attributes, visit, context.stop));
  return diff;
}

Result<DumpReport> RunDump(const JobContext& context, const RepositoryAddress& address,
                           const std::string& snapshot, const std::string& path,
                           const std::function<Result<void>(ByteView)>& write, DumpTarget target) {
  HF_ASSIGN(Opened opened, OpenToRead(context, address));
  DumpReport report;
  HF_ASSIGN(report.snapshot, ChooseSnapshot(context, address.label(), opened.snapshots, snapshot));
  HF_ASSIGN(const std::string trimmed, PathIn(context, opened.repository(), report.snapshot, path));
  HF_ASSIGN(const TreeNode node,
            repository::FindNode(opened.repository(), report.snapshot, trimmed));
  ObservedProgress progress(context, "dump from " + address.label());
  progress.progress().SetPhase("dump");
  if (node.attributes.type == NodeType::kFile) {
    ++progress.progress().items;
    HF_TRY(
        Copy(opened.repository().blobs(), node, trimmed, progress.progress(), write, context.stop));
  } else if (node.subtree) {
    if (target == DumpTarget::kTerminal) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is a directory: its tar archive is not written to a terminal",
                              Quote(path)),
                  "--to FILE writes it to a file; or use a pipe: `... | tar -x`");
    }
    report.is_archive = true;
    TarWriter tar(write);
    DumpWalk walk(opened.repository().blobs(), tar, progress.progress(), context.stop);
    if (!trimmed.empty()) HF_TRY(tar.Begin(trimmed, node.attributes));
    HF_TRY(repository::WalkTree(opened.repository().blobs(), *node.subtree, trimmed, walk,
                                context.stop));
    HF_TRY(tar.Finish());
  } else {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is neither a file nor a directory", Quote(path)),
                "`holdfast-agent ls` shows its type; `restore --path` restores it");
  }
  report.items = progress.progress().items;
  report.bytes = progress.progress().bytes;
  return report;
}

}  // namespace holdfast::jobs
