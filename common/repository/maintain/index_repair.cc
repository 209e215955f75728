#include "common/repository/maintain/index_repair.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "common/base/format.h"
#include "common/repository/format/index_file.h"
#include "common/repository/format/pack_format.h"
#include "common/repository/maintain/index_rewrite.h"

namespace holdfast::repository {
namespace {

class IndexRepair {
 public:
  IndexRepair(Repository& repository, const IndexRepairOptions& options, Progress& progress,
              std::stop_token stop)
      : repository_(repository),
        options_(options),
        progress_(progress),
        stop_(std::move(stop)),
        sealer_(repository.keys().NewSealer()),
        rewrite_(repository, options.lock) {}

  Result<IndexRepairReport> Run() {
    progress_.SetPhase("list");
    HF_TRY(ListPacks());
    progress_.SetPhase("index");
    HF_TRY(ReadIndexFiles());
    progress_.SetPhase("packs");
    HF_TRY(AddOtherPacks());
    HF_TRY(rewrite_.Write());
    progress_.SetPhase("remove");
    HF_TRY(rewrite_.RemoveReplaced());
    report_.index_files_written = rewrite_.files_written();
    report_.index_files_removed = rewrite_.files_removed();
    report_.packs = static_cast<std::uint64_t>(
        std::ranges::count_if(packs_, [](const auto& pack) { return pack.second.is_indexed; }));
    return report_;
  }

 private:
  struct Pack {
    std::uint64_t bytes = 0;
    bool is_indexed = false;  // by an index file that stays or is written
  };

  Result<void> ListPacks() {
    return repository_.storage().List(FileKind::kPack, [&](const FileInfo& file) -> Result<void> {
      HF_ASSIGN(const Id id, ParseId(file.name.name));
      const bool is_wanted = std::ranges::find(options_.without, id) == options_.without.end();
      if (is_wanted) packs_[id].bytes = file.size;
      return {};
    });
  }

  Result<void> ReadIndexFiles() {
    HF_ASSIGN(const std::vector<Id> files, rewrite_.List());
    for (const Id& file : files) {
      HF_TRY(CheckStop(stop_));
      HF_TRY(ReadIndexFile(file));
    }
    return {};
  }

  // Whether the pack exists as these entries describe it, and no earlier index file has it.
  bool IsRight(const PackContents& contents) {
    const auto pack = packs_.find(contents.id);
    return pack != packs_.end() && !pack->second.is_indexed &&
           ExpectedPackSize(contents.blobs) == pack->second.bytes;
  }

  Result<void> ReadIndexFile(const Id& file) {
    std::vector<PackContents> right;
    std::uint64_t wrong = 0;
    std::uint64_t gone = 0;
    const auto read = [&]() -> Result<void> {
      HF_ASSIGN(const Bytes json, repository_.files().Load(FileKind::kIndex, file));
      return DecodeIndexFile(json, [&](PackContents contents) {
        if (IsRight(contents)) {
          packs_[contents.id].is_indexed = true;
          right.push_back(std::move(contents));
        } else {
          ++wrong;
          if (!packs_.contains(contents.id)) ++gone;
        }
      });
    };
    const Result<void> done = read();
    if (!done && done.error().code() == ErrorCode::kNotFound) return {};
    if (!done && !IsDamage(done.error())) return done;
    if (!done) report_.damage.push_back(done.error().message());
    report_.packs_dropped += gone;
    if (options_.read_all_packs) {
      for (PackContents& contents : right) {
        HF_ASSIGN(const bool was_wrong, CorrectByHeader(contents));
        if (!was_wrong) continue;
        ++report_.packs_added;
        ++wrong;
      }
    }
    if (done && wrong == 0) return {};
    rewrite_.Replace(file);
    for (PackContents& contents : right) HF_TRY(rewrite_.Keep(std::move(contents)));
    return {};
  }

  // Replaces the entries with those of the pack's header; returns whether they differed. A header
  // that cannot be read proves nothing against the index.
  Result<bool> CorrectByHeader(PackContents& contents) {
    ++report_.packs_read;
    Result<std::vector<PackContents::Blob>> blobs =
        LoadPackHeader(repository_.storage(), sealer_, contents.id, packs_[contents.id].bytes);
    if (!blobs && !IsDamage(blobs.error())) return Fail(std::move(blobs).error());
    if (!blobs) {
      report_.damage.push_back(
          fmt::format("pack {}: header: {}", contents.id.Hex(), blobs.error().message()));
      return false;
    }
    std::ranges::sort(contents.blobs, {}, &PackContents::Blob::offset);
    if (contents.blobs == *blobs) return false;
    contents.blobs = *std::move(blobs);
    return true;
  }

  // Adds the packs that no index file has right.
  Result<void> AddOtherPacks() {
    std::vector<Id> others;
    for (const auto& [id, pack] : packs_) {
      if (!pack.is_indexed) others.push_back(id);
    }
    std::ranges::sort(others);
    progress_.items_total = others.size();
    for (const Id& id : others) {
      HF_TRY(CheckStop(stop_));
      ++progress_.items;
      ++report_.packs_read;
      Result<std::vector<PackContents::Blob>> blobs =
          LoadPackHeader(repository_.storage(), sealer_, id, packs_[id].bytes);
      if (!blobs && !IsDamage(blobs.error())) return Fail(std::move(blobs).error());
      if (!blobs) {
        report_.damage.push_back(
            fmt::format("pack {} is left out: {}", id.Hex(), blobs.error().message()));
        continue;
      }
      ++report_.packs_added;
      packs_[id].is_indexed = true;
      HF_TRY(rewrite_.Keep({id, *std::move(blobs)}));
    }
    return {};
  }

  Repository& repository_;
  const IndexRepairOptions& options_;
  Progress& progress_;
  std::stop_token stop_;
  crypto::Sealer sealer_;
  IndexRepairReport report_;
  std::unordered_map<Id, Pack, IdHash> packs_;
  IndexRewrite rewrite_;
};

}  // namespace

Result<IndexRepairReport> RepairIndex(Repository& repository, const IndexRepairOptions& options,
                                      Progress& progress, std::stop_token stop) {
  return IndexRepair(repository, options, progress, std::move(stop)).Run();
}

}  // namespace holdfast::repository
