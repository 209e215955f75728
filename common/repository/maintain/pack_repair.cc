#include "common/repository/maintain/pack_repair.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/repository/format/pack_format.h"
#include "common/repository/maintain/index_rewrite.h"
#include "common/repository/store/open_pack.h"

namespace holdfast::repository {
namespace {

class PackRepair {
 public:
  PackRepair(Repository& repository, std::span<const Id> packs, const PackRepairOptions& options,
             Progress& progress, std::stop_token stop)
      : repository_(repository),
        packs_(packs.begin(), packs.end()),
        options_(options),
        progress_(progress),
        stop_(std::move(stop)),
        sealer_(repository.keys().NewSealer()),
        new_packs_(repository, options.lock) {
    std::ranges::sort(packs_);
    const auto again = std::ranges::unique(packs_);
    packs_.erase(again.begin(), again.end());
  }

  Result<PackRepairReport> Run() {
    progress_.SetPhase("look");
    HF_TRY(FindBlobs());
    progress_.SetPhase("save");
    progress_.items_total = packs_.size();
    for (const Id& pack : packs_) {
      HF_TRY(SaveFrom(pack));
      ++progress_.items;
    }
    for (OpenPack& pack : open_) {
      if (!pack.empty()) HF_TRY(Store(pack));
    }
    HF_TRY(new_packs_.Write());
    HF_ASSIGN(report_.index, RepairIndex(repository_, {.lock = options_.lock, .without = packs_},
                                         progress_, stop_));
    progress_.SetPhase("remove");
    for (const Id& pack : packs_) HF_TRY(Remove(pack));
    HF_TRY(repository_.index().Load(stop_));
    for (const auto& [type, id] : unreadable_)
      if (!repository_.index().Find(type, id)) ++report_.blobs_lost;
    return report_;
  }

 private:
  // Finds the packs' blobs in the index or, for a pack that is not indexed, in the pack's header.
  Result<void> FindBlobs() {
    for (const Id& pack : packs_) blobs_.try_emplace(pack);
    repository_.index().ForEachBlob([&](BlobType type, const Id& id, const BlobLocation& location) {
      const auto pack = blobs_.find(location.pack);
      if (pack == blobs_.end()) return;
      pack->second.push_back(EntryOf(type, id, location));
    });
    for (auto& [pack, blobs] : blobs_) {
      std::ranges::sort(blobs, {}, &PackContents::Blob::offset);
      if (!blobs.empty()) continue;
      Result<FileInfo> file = repository_.storage().Stat({FileKind::kPack, pack.Hex()});
      if (!file && file.error().code() != ErrorCode::kNotFound) return Fail(file.error());
      if (!file) {
        return Fail(ErrorCode::kNotFound,
                    fmt::format("pack {} is neither in the index nor in the storage", pack.Hex()),
                    "`holdfast-agent check --read-data` lists the damaged ones");
      }
      Result<std::vector<PackContents::Blob>> header =
          LoadPackHeader(repository_.storage(), sealer_, pack, file->size);
      if (header) {
        blobs = *std::move(header);
      } else if (!IsDamage(header.error())) {
        return Fail(std::move(header).error());
      }
    }
    return {};
  }

  Result<void> SaveFrom(const Id& pack) {
    const FileName name{FileKind::kPack, pack.Hex()};
    for (const PackContents::Blob& blob : blobs_.find(pack)->second) {
      HF_TRY(CheckStop(stop_));
      // Read one by one, so that a bad sector or a missing end does not affect the neighbours.
      Result<Bytes> sealed = repository_.storage().Get(name, {blob.offset, blob.length});
      Result<Bytes> opened = Fail(ErrorCode::kCorrupt, "");
      if (sealed) {
        opened = repository_.blobs().Open(
            blob.id, {pack, blob.offset, blob.length, blob.plain_length, blob.compressed}, *sealed);
      }
      const Error* failure = !sealed ? &sealed.error() : !opened ? &opened.error() : nullptr;
      if (failure == nullptr) {
        HF_TRY(Save(blob, *sealed));
      } else if (IsDamage(*failure) || failure->code() == ErrorCode::kNotFound) {
        unreadable_.emplace_back(blob.type, blob.id);
      } else {
        return Fail(Error(*failure).While("read pack " + pack.Hex()));
      }
    }
    return {};
  }

  Result<void> Save(const PackContents::Blob& blob, ByteView sealed) {
    OpenPack& pack = open_[blob.type == BlobType::kTree ? 1 : 0];
    if (!pack.HasRoom(sealed.size())) HF_TRY(Store(pack));
    pack.AppendSealed(sealed, blob);
    ++report_.blobs_saved;
    report_.bytes_saved += sealed.size();
    progress_.bytes += sealed.size();
    return {};
  }

  Result<void> Store(OpenPack& pack) {
    HF_ASSIGN(PackContents contents,
              StorePack(repository_.storage(), options_.lock, sealer_, pack));
    pack.Clear();
    return new_packs_.Keep(std::move(contents));
  }

  Result<void> Remove(const Id& pack) {
    const FileName name{FileKind::kPack, pack.Hex()};
    Result<void> removed = repository_.storage().RemoveIfPermitted(name, WhileHeld(options_.lock));
    if (!removed && removed.error().code() == ErrorCode::kNotFound) return {};
    if (!removed) {
      return Fail(std::move(removed).error().While(fmt::format("remove \"{}\"", FilePath(name))));
    }
    ++report_.packs_removed;
    CrashPoint("repository.pack.after_remove");
    return {};
  }

  Repository& repository_;
  std::vector<Id> packs_;
  const PackRepairOptions& options_;
  Progress& progress_;
  const std::stop_token stop_;
  crypto::Sealer sealer_;
  PackRepairReport report_;
  std::unordered_map<Id, std::vector<PackContents::Blob>, IdHash> blobs_;
  std::array<OpenPack, 2> open_;  // data and trees in separate packs
  IndexRewrite new_packs_;
  std::vector<std::pair<BlobType, Id>> unreadable_;  // in these packs; others may have them
};

}  // namespace

Result<PackRepairReport> RepairPacks(Repository& repository, std::span<const Id> packs,
                                     const PackRepairOptions& options, Progress& progress,
                                     std::stop_token stop) {
  return PackRepair(repository, packs, options, progress, std::move(stop)).Run();
}

}  // namespace holdfast::repository
