#include "common/repository/maintain/prune.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <mutex>
#include <ranges>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/repository/format/compressor.h"
#include "common/repository/format/index_file.h"
#include "common/repository/format/pack_format.h"
#include "common/repository/maintain/index_rewrite.h"
#include "common/repository/maintain/needed_blobs.h"
#include "common/repository/maintain/pack_run.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/repository/store/open_pack.h"

namespace holdfast::repository {
namespace {

// Packs below this size are merged once there are kSmallPacksMin of them.
constexpr std::uint64_t kSmallPackBytes = kPackBytesTarget / 4;
constexpr std::size_t kSmallPacksMin = 10;
constexpr std::size_t kNamedMax = 5;
// Unfinished files are removed only if they are older than this. The exclusive lock keeps out
// long-running writers. But a process that takes a lock or creates a key writes a file before it
// holds a lock, and a file server's clock may be minutes off.
constexpr std::chrono::hours kLeftoverAge{1};
// How many copies are verified before the plan is made again.
constexpr std::size_t kRoundBlobs = 256U << 10;

// What is known about one pack.
struct Pack {
  std::uint64_t file_bytes = 0;  // 0 if the file does not exist
  std::uint64_t blobs = 0;       // in the index
  std::uint64_t blob_bytes = 0;  // of these blobs and their header entries
  std::uint64_t needed_blobs = 0;
  std::uint64_t needed_bytes = 0;
  bool has_data = false;
  bool has_trees = false;
  bool has_plain_trees = false;  // restic expects trees to be compressed

  std::uint64_t unneeded_blobs() const { return blobs - needed_blobs; }
  std::uint64_t unneeded_bytes() const { return blob_bytes - needed_bytes; }
  // Whether it has both data and trees, or a tree that is not compressed.
  bool is_out_of_order() const { return (has_data && has_trees) || has_plain_trees; }
  bool is_long_enough() const { return file_bytes == blob_bytes + ExpectedPackSize({}); }
};

enum class Fate : std::uint8_t { kKeep, kRepack, kRemove };

class Prune {
 public:
  Prune(Repository& repository, const PruneOptions& options, Progress& progress,
        std::stop_token stop)
      : repository_(repository),
        options_(options),
        progress_(progress),
        stop_(std::move(stop)),
        threads_(ThreadsFor(repository.storage())),
        needed_(repository, {}, progress),
        rewrite_(repository, options.lock) {}

  Result<PruneReport> Run() {
    progress_.SetPhase("snapshots");
    HF_TRY(FindNeeded());
    progress_.SetPhase("packs");
    HF_TRY(LookAtPacks());
    HF_TRY(MakePlan());
    HF_TRY(RemoveLeftovers());
    if (options_.dry_run) return report_;
    progress_.SetPhase("repack");
    HF_TRY(Repack());
    progress_.SetPhase("index");
    HF_TRY(RewriteIndex());
    progress_.SetPhase("remove");
    HF_TRY(RemovePacks());
    HF_TRY(repository_.index().Load(stop_));
    return report_;
  }

 private:
  // --- needed blobs

  Result<void> FindNeeded() {
    HF_ASSIGN(const std::vector<SnapshotInfo> snapshots,
              ListSnapshots(repository_, Vanished::kError));
    report_.snapshots = snapshots.size();
    for (const SnapshotInfo& snapshot : snapshots) needed_.Add(snapshot.tree);
    for (;;) {
      HF_ASSIGN(const bool has_more, needed_.Step(stop_));
      if (!has_more) break;
    }
    const std::vector<LostBlob>& lost = needed_.lost();
    if (lost.empty()) return {};
    for (const LostBlob& blob : lost) {
      if (blob.error) return Fail(*blob.error);
    }
    const std::string names =
        JoinTexts(lost | std::views::take(kNamedMax), [](const LostBlob& blob) {
          return fmt::format("{} {}", BlobTypeName(blob.type), blob.id.Hex());
        });
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("{} missing that snapshots need: {}{}", FormatCount(lost.size(), "blob"), names,
                    lost.size() > kNamedMax ? ", ..." : ""),
        "nothing was changed; `holdfast-agent check` lists the snapshots and paths that need them");
  }

  // --- packs

  Result<void> LookAtPacks() {
    HF_TRY(repository_.storage().List(FileKind::kPack, [&](const FileInfo& file) -> Result<void> {
      HF_ASSIGN(const Id id, ParseId(file.name.name));
      packs_[id].file_bytes = file.size;
      return {};
    }));
    repository_.index().ForEachBlob([&](BlobType type, const Id&, const BlobLocation& location) {
      Pack& pack = packs_[location.pack];
      ++pack.blobs;
      pack.blob_bytes += PackedBytes(location);
      (type == BlobType::kTree ? pack.has_trees : pack.has_data) = true;
      if (type == BlobType::kTree && !location.compressed) pack.has_plain_trees = true;
    });
    return {};
  }

  // --- copies of one blob in several packs

  // Damage shows only when a blob is decrypted. So the plan determines which copies to verify, and
  // is made again without those that fail. Blobs that lose no copy are not read.
  Result<void> MakePlan() {
    opened_.assign(repository_.index().BlobCount(), false);
    for (;;) {
      HF_TRY(ChooseCopies());
      Decide();
      HF_ASSIGN(const bool has_opened, OpenCopies());
      if (!has_opened) return {};
    }
  }

  // Chooses one copy of each needed blob: the first in a pack of the right size that is not known
  // to be damaged or out of reach.
  Result<void> ChooseCopies() {
    for (auto& [id, pack] : packs_) pack.needed_blobs = pack.needed_bytes = 0;
    chosen_.assign(repository_.index().BlobCount(), false);
    has_copies_.assign(repository_.index().BlobCount(), false);
    std::vector<bool> is_there(repository_.index().BlobCount(), false);
    std::vector<bool> has_one(repository_.index().BlobCount(), false);
    std::size_t i = 0;
    repository_.index().ForEachNumberedBlob(
        [&](std::size_t number, BlobType, const Id&, const BlobLocation& location) {
          const std::size_t entry = i++;
          Pack& pack = packs_[location.pack];
          if (!needed_.Has(number) || pack.file_bytes == 0) return;
          if (is_there[number]) has_copies_[number] = true;
          is_there[number] = true;
          const bool is_good =
              pack.is_long_enough() && !unread_.contains({location.pack, location.offset});
          if (has_one[number] || !is_good) return;
          has_one[number] = chosen_[entry] = true;
          ++pack.needed_blobs;
          pack.needed_bytes += PackedBytes(location);
        });
    i = 0;
    Result<void> all_there;
    repository_.index().ForEachNumberedBlob([&](std::size_t number, BlobType type, const Id& id,
                                                const BlobLocation& location) {
      const std::size_t entry = i++;
      if (!all_there || number != entry || !needed_.Has(entry) || has_one[entry]) return;
      const Pack& pack = packs_[location.pack];
      const auto unread = unread_.find({location.pack, location.offset});
      all_there =
          Fail(unread == unread_.end() ? ErrorCode::kCorrupt : unread->second,
               fmt::format("{} blob {} is needed, but its pack {} {}", BlobTypeName(type), id.Hex(),
                           location.pack.Hex(),
                           pack.file_bytes == 0 ? "is not in the storage"
                           : !pack.is_long_enough()
                               ? "does not have the size that the index implies"
                               : "has a damaged copy, like every other pack with it"),
               "nothing was changed; `holdfast-agent check --read-data` lists the snapshots and "
               "paths that need it");
    });
    return all_there;
  }

  // If any copy of a blob will be removed, its chosen copy is verified first, even one to repack.
  // Verifies some of those not yet verified; false if all were.
  Result<bool> OpenCopies() {
    if (std::ranges::find(has_copies_, true) == has_copies_.end()) return false;
    std::vector<bool> in_doubt(repository_.index().BlobCount(), false);
    repository_.index().ForEachNumberedBlob(
        [&](std::size_t number, BlobType, const Id&, const BlobLocation& location) {
          if (!has_copies_[number] || in_doubt[number]) return;
          in_doubt[number] = Goes(location.pack);
        });
    std::unordered_map<Id, std::vector<PackContents::Blob>, IdHash> copies;
    std::size_t count = 0;
    std::size_t i = 0;
    repository_.index().ForEachNumberedBlob(
        [&](std::size_t number, BlobType type, const Id& id, const BlobLocation& location) {
          if (!chosen_[i++] || !in_doubt[number] || opened_[number] || count == kRoundBlobs) return;
          opened_[number] = true;
          copies[location.pack].push_back(EntryOf(type, id, location));
          ++count;
        });
    std::vector<Id> packs;
    for (auto& [pack, blobs] : copies) {
      std::ranges::sort(blobs, {}, &PackContents::Blob::offset);
      packs.push_back(pack);
    }
    HF_TRY(ForEachInParallel(packs.size(), threads_, [&](std::size_t pack) {
      return OpenCopiesIn(packs[pack], copies.find(packs[pack])->second);
    }));
    return count > 0;
  }

  Result<void> OpenCopiesIn(const Id& pack, std::span<const PackContents::Blob> blobs) {
    const auto open = [&](const PackContents::Blob& blob, ByteView sealed) -> Result<void> {
      const Result<Bytes> opened =
          repository_.blobs().Open(blob.id, LocationOf(pack, blob), sealed);
      if (!opened && !MayHaveOtherCopy(opened.error())) return Fail(opened.error());
      if (!opened) AddUnread(pack, blob, opened.error().code());
      blobs = blobs.subspan(1);
      return {};
    };
    bool one_by_one = false;  // so that an unreadable blob does not affect its neighbours
    while (!blobs.empty()) {
      const Result<void> read = ReadBlobsOfPack(repository_.storage(), pack,
                                                one_by_one ? blobs.first(1) : blobs, open, stop_);
      if (read) continue;
      if (!MayHaveOtherCopy(read.error())) return read;
      if (one_by_one) {
        AddUnread(pack, blobs.front(), read.error().code());
        blobs = blobs.subspan(1);
      }
      one_by_one = true;
    }
    return {};
  }

  void AddUnread(const Id& pack, const PackContents::Blob& blob, ErrorCode why) {
    // The index has the pack, so its absence is damage.
    if (why == ErrorCode::kNotFound) why = ErrorCode::kCorrupt;
    std::lock_guard lock(mutex_);
    unread_.insert({{pack, blob.offset}, why});
    opened_[*repository_.index().BlobNumber(blob.type, blob.id)] =
        false;  // another copy will be chosen
  }

  // --- the plan

  void Decide() {
    report_ = {.snapshots = report_.snapshots};
    fates_.clear();
    std::vector<std::pair<Id, Pack*>> partly;
    std::array<std::vector<std::pair<Id, Pack*>>, 2> small;
    std::uint64_t unneeded = 0;  // that would remain if nothing were repacked
    for (auto& [id, pack] : packs_) {
      report_.blobs_needed += pack.needed_blobs;
      report_.bytes_needed += pack.needed_bytes;
      report_.blobs_unneeded += pack.unneeded_blobs();
      report_.bytes_unneeded += pack.unneeded_bytes();
      if (pack.blobs == 0) ++report_.packs_unindexed;
      if (pack.needed_blobs == 0) {
        fates_[id] = Fate::kRemove;
        continue;
      }
      fates_[id] = Fate::kKeep;
      unneeded += pack.unneeded_bytes();
      if (pack.unneeded_blobs() > 0 || pack.is_out_of_order()) partly.emplace_back(id, &pack);
      if (pack.file_bytes < kSmallPackBytes) small[pack.has_trees ? 1 : 0].emplace_back(id, &pack);
    }
    // First the packs that are out of order, then those that free the most per byte copied.
    std::ranges::sort(partly, [](const auto& a, const auto& b) {
      const bool a_first = a.second->is_out_of_order();
      if (a_first != b.second->is_out_of_order()) return a_first;
      const auto a_won = static_cast<double>(a.second->unneeded_bytes()) /
                         static_cast<double>(a.second->needed_bytes);
      const auto b_won = static_cast<double>(b.second->unneeded_bytes()) /
                         static_cast<double>(b.second->needed_bytes);
      return a_won != b_won ? a_won > b_won : a.first < b.first;
    });
    const std::uint64_t allowed = AllowedUnneeded();
    for (const auto& [id, pack] : partly) {
      if (!pack->is_out_of_order() && unneeded <= allowed) continue;
      if (TryRepack(id, *pack)) unneeded -= pack->unneeded_bytes();
    }
    for (const auto& packs : small) {
      if (packs.size() < kSmallPacksMin) continue;
      for (const auto& [id, pack] : packs) {
        if (fates_[id] == Fate::kKeep && TryRepack(id, *pack)) unneeded -= pack->unneeded_bytes();
      }
    }
    report_.bytes_left_unneeded = unneeded;
    Count();
  }

  std::uint64_t AllowedUnneeded() const {
    if (options_.max_unused_bytes) return *options_.max_unused_bytes;
    if (!options_.max_unused_percent) return UINT64_MAX;
    const double share = std::clamp(*options_.max_unused_percent, 0.0, 100.0) / 100;
    if (share >= 1) return UINT64_MAX;
    return static_cast<std::uint64_t>(static_cast<double>(report_.bytes_needed) * share /
                                      (1 - share));
  }

  bool TryRepack(const Id& id, const Pack& pack) {
    if (options_.max_repack_bytes &&
        report_.bytes_repacked + pack.needed_bytes > *options_.max_repack_bytes) {
      return false;
    }
    fates_[id] = Fate::kRepack;
    ++report_.packs_repacked;
    report_.bytes_repacked += pack.needed_bytes;
    return true;
  }

  // Whether the pack exists and will be removed.
  bool Goes(const Id& id) const {
    return fates_.find(id)->second != Fate::kKeep && packs_.find(id)->second.file_bytes > 0;
  }

  void Count() {
    std::uint64_t removed = 0;
    for (const auto& [id, fate] : fates_) {
      if (fate == Fate::kKeep) {
        ++report_.packs_kept;
        continue;
      }
      const Pack& pack = packs_[id];
      if (pack.file_bytes == 0) continue;
      ++report_.packs_removed;
      removed += pack.file_bytes;
    }
    report_.bytes_freed = removed - std::min(removed, report_.bytes_repacked);
  }

  // Done before copying, which needs space.
  Result<void> RemoveLeftovers() {
    const LeftoverSearch search{.before = repository_.clock().Now() - kLeftoverAge,
                                .only_count = options_.dry_run};
    HF_ASSIGN(const Leftovers left,
              repository_.storage().RemoveLeftovers(search, WhileHeld(options_.lock)));
    report_.leftover_files = left.files;
    report_.leftover_bytes = left.bytes;
    return {};
  }

  // --- copying

  // The open packs of one thread: one for data, one for trees.
  struct Copier {
    crypto::Sealer sealer;
    Compressor compressor{Compression::kAuto};
    std::array<OpenPack, 2> packs{};
  };

  Result<void> Repack() {
    std::vector<Id> order;
    for (const auto& [id, fate] : fates_) {
      if (fate == Fate::kRepack) order.push_back(id);
    }
    if (order.empty()) return {};
    std::ranges::sort(order);
    progress_.bytes_total = report_.bytes_repacked;
    CollectEntries(order);
    std::vector<std::unique_ptr<Copier>> idle;
    const auto copy = [&](std::size_t i) -> Result<void> {
      std::unique_ptr<Copier> copier;
      {
        std::lock_guard lock(mutex_);
        if (!idle.empty()) {
          copier = std::move(idle.back());
          idle.pop_back();
        }
      }
      if (copier == nullptr) copier = std::make_unique<Copier>(repository_.keys().NewSealer());
      HF_TRY(CopyPack(*copier, order[i]));
      std::lock_guard lock(mutex_);
      idle.push_back(std::move(copier));
      return {};
    };
    HF_TRY(ForEachInParallel(order.size(), threads_, copy));
    // Merge the unfinished packs of all threads.
    for (std::size_t type = 0; type < 2; ++type) {
      for (std::size_t i = 1; i < idle.size(); ++i) {
        for (std::size_t j = 0; j < i && !idle[i]->packs[type].empty(); ++j) {
          if (idle[j]->packs[type].Fits(idle[i]->packs[type])) {
            idle[j]->packs[type].Absorb(idle[i]->packs[type]);
          }
        }
      }
    }
    for (const auto& copier : idle) {
      for (OpenPack& pack : copier->packs) {
        if (!pack.empty()) HF_TRY(Store(copier->sealer, pack));
      }
    }
    entries_.clear();
    return {};
  }

  // The blobs to copy, per pack, in the order of their offsets.
  void CollectEntries(const std::vector<Id>& order) {
    for (const Id& id : order) entries_[id].reserve(packs_[id].needed_blobs);
    std::size_t i = 0;
    repository_.index().ForEachBlob([&](BlobType type, const Id& id, const BlobLocation& location) {
      if (!chosen_[i++]) return;
      const auto found = entries_.find(location.pack);
      if (found == entries_.end()) return;
      found->second.push_back(EntryOf(type, id, location));
    });
    for (auto& [id, blobs] : entries_) {
      std::ranges::sort(blobs, {}, &PackContents::Blob::offset);
    }
  }

  Result<void> CopyPack(Copier& copier, const Id& id) {
    return ReadBlobsOfPack(
        repository_.storage(), id, entries_.find(id)->second,
        [&](const PackContents::Blob& blob, ByteView sealed) {
          return CopyBlob(copier, id, blob, sealed);
        },
        stop_);
  }

  // Verifies a blob, then copies its sealed bytes. Uncompressed trees are compressed first.
  Result<void> CopyBlob(Copier& copier, const Id& pack_id, PackContents::Blob blob,
                        ByteView sealed) {
    const BlobLocation location = LocationOf(pack_id, blob);
    Result<Bytes> plaintext = repository_.blobs().Open(blob.id, location, sealed);
    if (!plaintext) {
      return Fail(std::move(plaintext)
                      .error()
                      .While(fmt::format("copy {} blob {} from pack {}", BlobTypeName(blob.type),
                                         blob.id.Hex(), pack_id.Hex()))
                      .WithHint("nothing was removed; `holdfast-agent check --read-data` lists the "
                                "snapshots and paths that need it"));
    }
    progress_.bytes += PackedBytes(location);
    const bool is_tree = blob.type == BlobType::kTree;
    OpenPack& pack = copier.packs[is_tree ? 1 : 0];
    if (!pack.HasRoom(sealed.size())) HF_TRY(Store(copier.sealer, pack));
    if (is_tree && !blob.compressed) {
      blob.compressed = true;
      (void)pack.Append(copier.sealer, copier.compressor.Compress(*plaintext), blob);
    } else {
      pack.AppendSealed(sealed, blob);
    }
    return {};
  }

  Result<void> Store(crypto::Sealer& sealer, OpenPack& pack) {
    HF_ASSIGN(PackContents contents, StorePack(repository_.storage(), options_.lock, sealer, pack));
    pack.Clear();
    std::lock_guard lock(mutex_);
    written_.push_back(std::move(contents));
    return {};
  }

  // --- the index

  // Writes index files for the new packs, and for the packs that stay of files that also name a
  // removed one. The old files are removed only when the new ones exist.
  Result<void> RewriteIndex() {
    HF_ASSIGN(const std::vector<Id> files, rewrite_.List());
    for (PackContents& contents : written_) HF_TRY(rewrite_.Keep(std::move(contents)));
    written_.clear();
    for (const Id& file : files) {
      HF_TRY(CheckStop(stop_));
      HF_TRY(TakeFrom(file));
    }
    HF_TRY(rewrite_.Write());
    HF_TRY(rewrite_.RemoveReplaced());
    report_.index_files_written = rewrite_.files_written();
    report_.index_files_removed = rewrite_.files_removed();
    return {};
  }

  // Replaces an index file that names a pack to be removed; its other entries stay.
  Result<void> TakeFrom(const Id& file) {
    std::vector<PackContents> stays;
    bool is_old = false;
    HF_ASSIGN(const Bytes json, repository_.files().Load(FileKind::kIndex, file));
    HF_TRY(DecodeIndexFile(json, [&](PackContents contents) {
      const auto fate = fates_.find(contents.id);
      if (fate == fates_.end() || fate->second == Fate::kKeep) {
        stays.push_back(std::move(contents));
      } else {
        is_old = true;
      }
    }));
    if (!is_old) return {};
    rewrite_.Replace(file);
    for (PackContents& contents : stays) HF_TRY(rewrite_.Keep(std::move(contents)));
    return {};
  }

  // --- removal

  Result<void> RemovePacks() {
    std::vector<Id> going;
    for (const auto& [id, fate] : fates_) {
      if (Goes(id)) going.push_back(id);
    }
    std::ranges::sort(going);
    progress_.items_total = going.size();
    progress_.items = 0;
    return ForEachInParallel(going.size(), threads_, [&](std::size_t i) -> Result<void> {
      HF_TRY(CheckStop(stop_));
      const FileName name{FileKind::kPack, going[i].Hex()};
      const Result<void> removed =
          repository_.storage().RemoveIfPermitted(name, WhileHeld(options_.lock));
      if (!removed && removed.error().code() != ErrorCode::kNotFound) {
        return Fail(Error(removed.error()).While(fmt::format("remove \"{}\"", FilePath(name))));
      }
      ++progress_.items;
      CrashPoint("repository.pack.after_remove");
      return {};
    });
  }

  Repository& repository_;
  const PruneOptions& options_;
  Progress& progress_;
  const std::stop_token stop_;
  const unsigned threads_;
  PruneReport report_;
  std::mutex mutex_;  // guards shared state while threads are running

  NeededBlobs needed_;
  std::vector<bool> chosen_;      // by number of the index entry
  std::vector<bool> has_copies_;  // by blob number: whether several packs have it
  std::vector<bool> opened_;      // by blob number: whether the chosen copy was verified
  // Copies that are damaged or out of reach, by pack and offset.
  std::map<std::pair<Id, std::uint32_t>, ErrorCode> unread_;

  std::unordered_map<Id, Pack, IdHash> packs_;
  std::unordered_map<Id, Fate, IdHash> fates_;
  std::unordered_map<Id, std::vector<PackContents::Blob>, IdHash> entries_;  // to be copied
  std::vector<PackContents> written_;                                        // new packs
  IndexRewrite rewrite_;
};

}  // namespace

Result<PruneReport> PruneRepository(Repository& repository, const PruneOptions& options,
                                    Progress& progress, std::stop_token stop) {
  return Prune(repository, options, progress, std::move(stop)).Run();
}

}  // namespace holdfast::repository
