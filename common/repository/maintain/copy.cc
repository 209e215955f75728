#include "common/repository/maintain/copy.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/repository/maintain/needed_blobs.h"
#include "common/repository/maintain/pack_run.h"
#include "common/repository/snapshot/composer.h"
#include "common/repository/snapshot/snapshot_codec.h"
#include "common/repository/store/blob_memory.h"
#include "common/repository/store/blob_writer.h"
#include "common/repository/tree/tree_blobs.h"

namespace holdfast::repository {
namespace {

// Packs are read once this many of their blobs are wanted.
constexpr std::size_t kWantedBlobsMax = 256U << 10;
// Snapshots are written once this much was copied since the last ones.
constexpr std::uint64_t kCopyBatchBytes = 1ULL << 30;

// Blobs that cannot be copied: the error if they are out of reach, or unset if they are lost.
using LostBlobs = std::unordered_map<Id, std::optional<Error>, IdHash>;

std::optional<Error> IfOutOfReach(std::optional<Error> error) {
  return error && IsInaccessible(*error) ? std::move(error) : std::nullopt;
}

class Copy {
 public:
  Copy(Repository& from, Repository& to, const CopyOptions& options, Progress& progress,
       std::stop_token stop)
      : from_(from),
        to_(to),
        options_(options),
        progress_(progress),
        stop_(std::move(stop)),
        needed_(from,
                {.tree = [this](const Id& id, ByteView blob) { return WantTree(id, blob); },
                 .data = [this](const Id& id) { return WantData(id); },
                 .tolerate_unreachable = true},
                progress) {}

  CopyReport Run(std::vector<SnapshotInfo> chosen, const std::vector<SnapshotInfo>& present) {
    std::ranges::stable_sort(chosen, {}, &SnapshotInfo::time);
    for (SnapshotInfo& snapshot : chosen) {
      report_.snapshots.push_back({.snapshot = std::move(snapshot)});
    }
    Result<void> copied = CopyAll(present);
    if (!copied) report_.error = std::move(copied).error();
    return std::move(report_);
  }

 private:
  Result<void> CopyAll(const std::vector<SnapshotInfo>& present) {
    progress_.SetPhase("copy");
    for (SnapshotCopy& snapshot : report_.snapshots) {
      if (const SnapshotInfo* copy = FindCopy(present, snapshot.snapshot)) {
        snapshot.state = SnapshotCopy::State::kPresent;
        snapshot.copy = copy->id;
        continue;
      }
      needed_.Add(snapshot.snapshot.tree);
      for (;;) {
        HF_ASSIGN(const bool has_more, needed_.Step(stop_));
        if (wanted_count_ >= kWantedBlobsMax || wanted_bytes_ >= kCopyBatchBytes)
          HF_TRY(CopyWanted());
        if (!has_more) break;
      }
      batch_.push_back(&snapshot);
      if (batch_bytes_ >= kCopyBatchBytes) HF_TRY(EndBatch());
    }
    return EndBatch();
  }

  // --- Wanted blobs: NeededBlobs calls these functions, one at a time.

  Result<void> WantTree(const Id& id, ByteView blob) {
    if (to_.index().Find(BlobType::kTree, id)) return {};
    if (options_.dry_run) {
      ++report_.tree_blobs;
      return {};
    }
    Begin();
    if (blob.empty()) return SaveLargeTree(id);
    HF_TRY(writer_->Save(BlobType::kTree, blob));
    batch_bytes_ += blob.size();
    return {};
  }

  // Piece by piece if that yields the same blob: other programs may format trees differently.
  Result<void> SaveLargeTree(const Id& id) {
    TreeBuilder entries = trees_->NewBuilder();
    bool has_all = true;
    HF_TRY(VisitTreeOf(from_.blobs(), id,
                       [&](const TreeNode& node, std::string_view json) -> Result<void> {
                         has_all = has_all && entries.AddJson(node.name, json);
                         return {};
                       }));
    if (has_all) {
      HF_ASSIGN(const Id saved, trees_->Save(entries));
      if (saved == id) return {};
    }
    HF_ASSIGN(const Bytes blob, from_.blobs().LoadNeeded(BlobType::kTree, id));
    HF_TRY(writer_->Save(BlobType::kTree, blob));
    return {};
  }

  Result<void> WantData(const Id& id) {
    if (to_.index().Find(BlobType::kData, id)) return {};
    const std::optional<BlobLocation> location = from_.index().Find(BlobType::kData, id);
    HF_CHECK(location.has_value());
    progress_.bytes_total += location->length;
    if (options_.dry_run) {
      ++report_.data_blobs;
      report_.bytes_read += location->length;
      return {};
    }
    wanted_[location->pack].push_back(EntryOf(BlobType::kData, id, *location));
    ++wanted_count_;
    wanted_bytes_ += location->length;
    batch_bytes_ += location->length;
    return {};
  }

  void Begin() {
    if (writer_ != nullptr) return;
    writer_ = BlobWriter::Begin(to_, options_.lock);
    trees_.emplace(to_, *writer_, options_.lock);
  }

  // --- Copying from packs.

  Result<void> CopyWanted() {
    if (wanted_.empty()) return {};
    Begin();
    std::vector<Id> packs;
    for (auto& [pack, blobs] : wanted_) {
      packs.push_back(pack);
      std::ranges::sort(blobs, {}, &PackContents::Blob::offset);
    }
    std::ranges::sort(packs);
    HF_TRY(ForEachInParallel(packs.size(), ThreadsFor(from_.storage()), [&](std::size_t i) {
      return CopyFrom(packs[i], wanted_.find(packs[i])->second);
    }));
    wanted_.clear();
    wanted_count_ = 0;
    wanted_bytes_ = 0;
    return {};
  }

  Result<void> CopyFrom(const Id& pack, const std::vector<PackContents::Blob>& blobs) {
    std::size_t taken = 0;
    bool is_copying = false;
    const Result<void> read = ReadBlobsOfPack(
        from_.storage(), pack, blobs,
        [&](const PackContents::Blob& blob, ByteView sealed) -> Result<void> {
          is_copying = true;
          HF_TRY(CopyBlob(pack, blob, sealed));
          is_copying = false;
          ++taken;
          return {};
        },
        stop_);
    if (read) return {};
    if (is_copying || !MayHaveOtherCopy(read.error())) return read;
    // The pack is truncated, missing or out of reach. Use other packs' copies.
    for (; taken < blobs.size(); ++taken) {
      HF_TRY(CheckStop(stop_));
      HF_TRY(CopyAnyway(blobs[taken]));
    }
    return {};
  }

  Result<void> CopyBlob(const Id& pack, const PackContents::Blob& blob, ByteView sealed) {
    Result<Bytes> plaintext = from_.blobs().Open(blob.id, LocationOf(pack, blob), sealed);
    if (!plaintext) return CopyAnyway(blob);
    return Save(blob, *std::move(plaintext));
  }

  // Copies the blob from any pack that has it intact.
  Result<void> CopyAnyway(const PackContents::Blob& blob) {
    Result<Bytes> plaintext = from_.blobs().LoadNeeded(blob.type, blob.id);
    if (plaintext) return Save(blob, *std::move(plaintext));
    if (!MayHaveOtherCopy(plaintext.error())) return Fail(std::move(plaintext).error());
    std::lock_guard lock(mutex_);
    lost_[static_cast<std::size_t>(blob.type)].try_emplace(
        blob.id, IfOutOfReach(std::move(plaintext).error()));
    return {};
  }

  Result<void> Save(const PackContents::Blob& blob, Bytes plaintext) {
    progress_.bytes += blob.length;
    bytes_read_ += blob.length;
    SharedBytes held = memory_.Hold(std::move(plaintext));
    std::lock_guard lock(writer_mutex_);
    return writer_->SaveLater(std::move(held), nullptr);
  }

  // --- The snapshots of a batch.

  Result<void> EndBatch() {
    HF_TRY(CopyWanted());
    report_.bytes_read += bytes_read_.exchange(0);
    if (writer_ != nullptr) {
      HF_ASSIGN(const BlobStatistics written, writer_->Finish());
      HF_TRY(trees_->Finish());
      const BlobStatistics statistics = written + trees_->statistics();
      trees_.reset();
      writer_.reset();
      report_.data_blobs += statistics.data_blobs;
      report_.tree_blobs += statistics.tree_blobs;
      report_.bytes_added += statistics.bytes_added;
      report_.bytes_stored += statistics.bytes_packed;
    }
    batch_bytes_ = 0;
    for (const LostBlob& lost : needed_.lost()) {
      lost_[static_cast<std::size_t>(lost.type)].try_emplace(lost.id, IfOutOfReach(lost.error));
    }
    for (SnapshotCopy* snapshot : std::exchange(batch_, {})) {
      HF_ASSIGN(snapshot->error, FindLoss(snapshot->snapshot));
      if (snapshot->error) {
        snapshot->state = SnapshotCopy::State::kFailed;
      } else if (!options_.dry_run) {
        HF_TRY(WriteSnapshot(*snapshot));
      }
    }
    return {};
  }

  // The error for lost data of the snapshot, if any. Reads trees again only if there was damage.
  Result<std::optional<Error>> FindLoss(const SnapshotInfo& snapshot) {
    if (lost_[0].empty() && lost_[1].empty()) return std::nullopt;
    struct Pending {
      std::string path;
      Id tree;
    };
    const auto lost = [&](const std::string& path, BlobType type, const Id& id) {
      const std::optional<Error>& withheld = lost_[static_cast<std::size_t>(type)].find(id)->second;
      if (withheld) {
        return Error(withheld->code(),
                     fmt::format("{} needs {} blob {}, which cannot be read: {}",
                                 Quote(path.empty() ? "/" : path), BlobTypeName(type), id.Hex(),
                                 withheld->message()))
            .WithHint(withheld->hint());
      }
      return Error(ErrorCode::kCorrupt,
                   fmt::format("{} needs {} blob {}, which is lost",
                               Quote(path.empty() ? "/" : path), BlobTypeName(type), id.Hex()))
          .WithHint("`holdfast-agent check --read-data` of the source repository lists all damage");
    };
    std::vector<bool> seen(from_.index().BlobCount());
    std::vector<Pending> pending = {{"", snapshot.tree}};
    while (!pending.empty()) {
      HF_TRY(CheckStop(stop_));
      const Pending next = std::move(pending.back());
      pending.pop_back();
      if (lost_[1].contains(next.tree)) return lost(next.path, BlobType::kTree, next.tree);
      const std::optional<std::size_t> number =
          from_.index().BlobNumber(BlobType::kTree, next.tree);
      HF_CHECK(number.has_value());
      if (seen[*number]) continue;
      seen[*number] = true;
      std::optional<Error> loss;
      HF_TRY(VisitTreeOf(from_.blobs(), next.tree, [&](const TreeNode& node, std::string_view) {
        const std::string path = next.path + "/" + node.name;
        if (node.attributes.type == NodeType::kDirectory) pending.push_back({path, *node.subtree});
        for (const Id& id : node.content) {
          if (!loss && lost_[0].contains(id)) loss = lost(path, BlobType::kData, id);
        }
        return Result<void>();
      }));
      if (loss) return loss;
    }
    return std::nullopt;
  }

  Result<void> WriteSnapshot(SnapshotCopy& snapshot) {
    HF_ASSIGN(const Bytes json,
              from_.files().LoadCached(FileKind::kSnapshot, snapshot.snapshot.id));
    HF_ASSIGN(const std::string copy,
              EncodeCopy(AsText(json), OriginalOf(snapshot.snapshot), snapshot.snapshot.tree));
    const Bytes sealed = to_.files().Seal(AsBytes(copy));
    HF_ASSIGN(snapshot.copy, PutSnapshot(to_.files(), sealed, options_.lock));
    snapshot.state = SnapshotCopy::State::kCopied;
    return {};
  }

  Repository& from_;
  Repository& to_;
  const CopyOptions& options_;
  Progress& progress_;
  const std::stop_token stop_;
  CopyReport report_;
  NeededBlobs needed_;
  BlobMemory memory_;
  std::mutex writer_mutex_;             // guards writer_ while threads are running
  std::unique_ptr<BlobWriter> writer_;  // null: nothing stored since the last snapshots
  std::optional<TreeSaver> trees_;      // uses writer_
  std::unordered_map<Id, std::vector<PackContents::Blob>, IdHash> wanted_;  // per pack
  std::size_t wanted_count_ = 0;
  std::uint64_t wanted_bytes_ = 0;
  std::uint64_t batch_bytes_ = 0;
  std::vector<SnapshotCopy*> batch_;  // complete except for wanted_
  std::atomic<std::uint64_t> bytes_read_{0};
  std::mutex mutex_;               // guards lost_ while threads are running
  std::array<LostBlobs, 2> lost_;  // by type
};

bool IsSameSet(std::vector<std::string> a, std::vector<std::string> b) {
  std::ranges::sort(a);
  std::ranges::sort(b);
  return a == b;
}

}  // namespace

bool IsSameSnapshot(const SnapshotInfo& a, const SnapshotInfo& b) {
  return a.time == b.time && a.tree == b.tree && a.host == b.host && a.user == b.user &&
         a.uid == b.uid && a.gid == b.gid && a.excludes == b.excludes &&
         IsSameSet(a.paths, b.paths) && IsSameSet(a.tags, b.tags);
}

const SnapshotInfo* FindCopy(const std::vector<SnapshotInfo>& snapshots,
                             const SnapshotInfo& snapshot) {
  const Id& original = OriginalOf(snapshot);
  const auto found = std::ranges::find_if(snapshots, [&](const SnapshotInfo& other) {
    return (other.id == original || OriginalOf(other) == original) &&
           IsSameSnapshot(other, snapshot);
  });
  return found == snapshots.end() ? nullptr : &*found;
}

CopyReport CopySnapshots(Repository& from, Repository& to, std::vector<SnapshotInfo> chosen,
                         const std::vector<SnapshotInfo>& present, const CopyOptions& options,
                         Progress& progress, std::stop_token stop) {
  return Copy(from, to, options, progress, std::move(stop)).Run(std::move(chosen), present);
}

}  // namespace holdfast::repository
