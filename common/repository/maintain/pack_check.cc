#include "common/repository/maintain/pack_check.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <ranges>
#include <tuple>
#include <utility>

#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/base/random.h"
#include "common/crypto/sha256.h"

namespace holdfast::repository {
namespace {

// Size of one read. A larger blob is read in one piece.
constexpr std::uint64_t kReadWindowBytes = 4U << 20;
// How many bad blobs of one pack the report describes.
constexpr std::size_t kBlobsShown = 10;
constexpr std::string_view kBeyondEnd = "the file ends before it";

// Mixes bits, so that sums of results distinguish sets (the finalizer of MurmurHash3).
std::uint64_t Scatter(std::uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

std::uint64_t Fingerprint(const PackContents::Blob& blob) {
  std::uint64_t value = Scatter((static_cast<std::uint64_t>(blob.offset) << 32) | blob.length);
  value ^= Scatter((static_cast<std::uint64_t>(blob.plain_length) << 2) |
                   (blob.compressed ? 2U : 0U) | static_cast<std::uint64_t>(blob.type));
  for (std::size_t i = 0; i < 4; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, blob.id.bytes.data() + i * sizeof word, sizeof word);
    value = Scatter(value + word);
  }
  return value;
}

FileName PackName(const Id& pack) { return {FileKind::kPack, pack.Hex()}; }

std::vector<PackContents::Blob> IndexEntries(const Index& index, const Id& pack) {
  std::vector<PackContents::Blob> entries;
  index.ForEachBlob([&](BlobType type, const Id& id, const BlobLocation& location) {
    if (location.pack == pack) entries.push_back(EntryOf(type, id, location));
  });
  std::ranges::sort(
      entries, {}, [](const PackContents::Blob& blob) { return std::tuple(blob.offset, blob.id); });
  return entries;
}

// Reads one pack. Several readers may run in parallel.
class PackReader {
 public:
  PackReader(Repository& repository, Progress& progress, std::atomic<std::uint64_t>& bytes_read,
             const std::stop_token& stop, const Id& pack)
      : repository_(repository),
        progress_(progress),
        bytes_read_(bytes_read),
        stop_(stop),
        pack_(pack) {}

  // An error means that reading failed; it says nothing about the data.
  Result<PackReading> Read(const PackSummary& summary) {
    HF_TRY(CheckStop(stop_));
    Result<void> done = TryRead(summary);
    // The file is shorter than Stat() said, or the transfer was cut off.
    if (!done && IsDamage(done.error())) {
      reading_.faults.push_back(done.error().message());
    } else if (!done && done.error().code() == ErrorCode::kNotFound) {
      reading_.is_absent = true;
    } else if (!done && IsInaccessible(done.error())) {
      reading_.out_of_reach = std::move(done).error();
    } else if (!done) {
      return Fail(std::move(done).error().While("check pack " + pack_.Hex()));
    }
    return std::move(reading_);
  }

 private:
  Result<void> TryRead(const PackSummary& summary) {
    HF_ASSIGN(FileInfo file, repository_.storage().Stat(PackName(pack_)));
    HF_ASSIGN(std::vector<PackContents::Blob> blobs, ReadHeader(file.size));
    std::uint64_t fingerprint = 0;
    for (const PackContents::Blob& blob : blobs) fingerprint += Fingerprint(blob);
    if (reading_.faults.empty() && fingerprint != summary.fingerprint) {
      reading_.faults.emplace_back("its header and the index list different blobs");
    }
    return ReadBlobs(file.size, blobs);
  }

  Result<std::vector<PackContents::Blob>> ReadHeader(std::uint64_t file_bytes) {
    crypto::Sealer sealer = repository_.keys().NewSealer();
    Result<std::vector<PackContents::Blob>> blobs =
        LoadPackHeader(repository_.storage(), sealer, pack_, file_bytes);
    if (blobs || !IsDamage(blobs.error())) return blobs;
    reading_.faults.push_back("header: " + blobs.error().message());
    return IndexEntries(repository_.index(), pack_);
  }

  Result<void> ReadBlobs(std::uint64_t file_bytes, const std::vector<PackContents::Blob>& blobs) {
    crypto::Sha256 hash;
    std::uint64_t at = 0;
    std::size_t next = 0;
    // Each window has as many whole blobs as fit. What follows the last blob is read, too.
    while (at < file_bytes) {
      HF_TRY(CheckStop(stop_));
      std::uint64_t end = std::min(at + kReadWindowBytes, file_bytes);
      std::size_t last = next;
      if (next < blobs.size() && blobs[next].offset == at) {
        end = std::min(at + std::max<std::uint64_t>(blobs[next].length, 1), file_bytes);
        for (++last; last < blobs.size() && blobs[last].offset == end &&
                     end + blobs[last].length <= std::min(at + kReadWindowBytes, file_bytes);
             ++last) {
          end += blobs[last].length;
        }
      } else if (next < blobs.size() && blobs[next].offset > at) {
        end = std::min<std::uint64_t>(end, blobs[next].offset);
      } else if (next < blobs.size()) {
        AddBad(blobs[next++], "it overlaps another");
        continue;
      }
      HF_ASSIGN(Bytes window, repository_.storage().Get(PackName(pack_), {at, end - at}));
      hash.Update(window);
      bytes_read_ += window.size();
      progress_.bytes += window.size();
      for (; next < last; ++next) {
        const PackContents::Blob& blob = blobs[next];
        std::uint64_t begin = blob.offset - at;
        Result<Bytes> opened = Fail(ErrorCode::kCorrupt, std::string(kBeyondEnd));
        if (begin + blob.length <= window.size()) {
          opened = repository_.blobs().Open(blob.id, LocationOf(pack_, blob),
                                            ByteView(window).subspan(begin, blob.length));
        }
        if (opened) continue;
        if (!IsDamage(opened.error())) return Fail(std::move(opened).error());
        AddBad(blob, opened.error().message());
      }
      at = end;
    }
    for (; next < blobs.size(); ++next) AddBad(blobs[next], std::string(kBeyondEnd));
    if (hash.Finish() != pack_.bytes)
      reading_.faults.emplace_back("its content does not match the hash in its name");
    return {};
  }

  void AddBad(const PackContents::Blob& blob, std::string fault) {
    reading_.bad_blobs.push_back({blob.type, blob.id, std::move(fault)});
  }

  Repository& repository_;
  Progress& progress_;
  std::atomic<std::uint64_t>& bytes_read_;
  const std::stop_token& stop_;
  const Id pack_;
  PackReading reading_;
};

}  // namespace

PackCheck::PackCheck(Repository& repository, CheckLog& log, Progress& progress,
                     std::stop_token stop)
    : repository_(repository),
      log_(log),
      report_(log.report()),
      progress_(progress),
      stop_(std::move(stop)) {}

void PackCheck::Summarize() {
  packs_.clear();
  repository_.index().ForEachBlob([&](BlobType type, const Id& id, const BlobLocation& location) {
    PackSummary& pack = packs_[location.pack];
    ++pack.blobs;
    pack.file_bytes += PackedBytes(location);
    pack.fingerprint += Fingerprint(EntryOf(type, id, location));
    (type == BlobType::kData ? pack.has_data : pack.has_trees) = true;
  });
  for (auto& [id, pack] : packs_) pack.file_bytes += ExpectedPackSize({});
}

Result<bool> PackCheck::IsStillIndexed(const Id& pack) {
  HF_TRY(repository_.index().Load(stop_));
  const std::vector<PackContents::Blob> entries = IndexEntries(repository_.index(), pack);
  return !entries.empty();
}

Result<void> PackCheck::AddPack(const Id& pack, CheckFinding::State state, std::string message,
                                std::string remedy) {
  if (bad_.insert(pack).second) ++report_.packs_bad;
  if (state == CheckFinding::State::kDamaged) damaged_.insert(pack);
  return log_.Add({.kind = CheckFinding::Kind::kPack,
                   .state = state,
                   .id = pack,
                   .message = std::move(message),
                   .remedy = remedy.empty() ? RemedyOfPack(pack, state) : std::move(remedy)});
}

Result<bool> PackCheck::AddBlob(const Id& pack, BlobType type, const Id& id,
                                CheckFinding::State state, const std::string& fault,
                                bool is_shown) {
  if (!bad_blobs_[pack].insert(id).second) return false;
  ++report_.blobs_bad;
  CheckFinding finding{.kind = CheckFinding::Kind::kBlob, .state = state, .id = id};
  finding.message =
      fmt::format("pack {}: {} blob {}: {}", pack.Hex(), BlobTypeName(type), id.Hex(), fault);
  if (log_.has_visitor()) {
    finding.blobs.push_back({type, id, {pack}});
    finding.remedy = RemedyOfPack(pack, state);
  }
  HF_TRY(log_.Add(finding, is_shown));
  return true;
}

Result<void> PackCheck::AddMissing(const Id& pack) {
  const CheckFinding::State state = CheckFinding::State::kMissing;
  HF_TRY(AddPack(pack, state,
                 fmt::format("pack {} is in the index but not in the storage", pack.Hex())));
  const std::vector<PackContents::Blob> entries = IndexEntries(repository_.index(), pack);
  for (const PackContents::Blob& blob : entries) {
    HF_TRY(AddBlob(pack, blob.type, blob.id, state, "its pack does not exist", false));
  }
  packs_[pack].is_missing = true;
  return {};
}

Result<void> PackCheck::AddDamaged(BlobType type, const Id& id, const std::string& fault) {
  for (const BlobLocation& location : repository_.index().FindAll(type, id)) {
    HF_ASSIGN(const bool is_new,
              AddBlob(location.pack, type, id, CheckFinding::State::kDamaged, fault, false));
    if (!is_new || bad_.contains(location.pack)) continue;
    HF_TRY(AddPack(location.pack, CheckFinding::State::kDamaged,
                   fmt::format("pack {}: {} blob {} is damaged", location.pack.Hex(),
                               BlobTypeName(type), id.Hex())));
  }
  return {};
}

Result<void> PackCheck::CheckFiles() {
  Summarize();
  std::unordered_map<Id, std::uint64_t, IdHash> files;
  HF_TRY(repository_.storage().List(FileKind::kPack, [&](const FileInfo& file) -> Result<void> {
    HF_ASSIGN(Id id, ParseId(file.name.name));
    if (packs_.contains(id)) {
      files[id] = file.size;
    } else {
      ++report_.packs_unreferenced;
    }
    return {};
  }));
  constexpr std::size_t kMixedNamed = 20;
  std::size_t mixed = 0;
  std::vector<Id> suspects;
  for (const auto& [id, pack] : packs_) {
    const auto file = files.find(id);
    if (file == files.end() || file->second != pack.file_bytes) suspects.push_back(id);
    report_.blobs += pack.blobs;
    if (pack.has_data && pack.has_trees && mixed++ < kMixedNamed) {
      report_.hints.push_back(
          fmt::format("pack {} has data and trees; a prune separates them", id.Hex()));
    }
  }
  if (mixed > kMixedNamed) {
    report_.hints.push_back("as in " + FormatCount(mixed - kMixedNamed, "other pack"));
  }
  std::ranges::sort(suspects);
  for (const Id& id : suspects) {
    // A prune may have removed the pack and its index entries since the index was read.
    Result<FileInfo> file = repository_.storage().Stat(PackName(id));
    if (!file && file.error().code() != ErrorCode::kNotFound) return Fail(file.error());
    if (file && file->size == packs_[id].file_bytes) continue;
    HF_ASSIGN(bool is_indexed, IsStillIndexed(id));
    if (!is_indexed) {
      packs_.erase(id);
    } else if (!file) {
      HF_TRY(AddMissing(id));
    } else {
      const CheckFinding::State state = CheckFinding::State::kDamaged;
      HF_TRY(AddPack(
          id, state,
          fmt::format("pack {} has {}, but the index implies {}", id.Hex(),
                      FormatCount(file->size, "byte"), FormatCount(packs_[id].file_bytes))));
      // Blobs beyond the end are lost; damage to the others shows when they are read.
      const std::vector<PackContents::Blob> entries = IndexEntries(repository_.index(), id);
      for (const PackContents::Blob& blob : entries) {
        if (std::uint64_t{blob.offset} + blob.length <= file->size) continue;
        HF_TRY(AddBlob(id, blob.type, blob.id, state, std::string(kBeyondEnd), false));
      }
    }
  }
  report_.packs = packs_.size();
  if (report_.packs_unreferenced != 0) {
    report_.hints.push_back(
        fmt::format("{} not in the index: left by an interrupted backup, or being written now",
                    FormatCount(report_.packs_unreferenced, "pack")));
  }
  FindLost();
  return {};
}

void PackCheck::AddHints() const {
  constexpr std::size_t kPacksNamed = 20;
  const bool is_one_missing =
      std::ranges::any_of(packs_, [](const auto& pack) { return pack.second.is_missing; });
  if (is_one_missing) {
    report_.hints.emplace_back(
        "`holdfast-agent repair index` removes missing packs from the index");
  }
  if (!damaged_.empty()) {
    std::string ids;
    for (const Id& id : damaged_ | std::views::take(kPacksNamed)) ids += " " + id.Hex();
    report_.hints.push_back(
        fmt::format("`holdfast-agent repair packs{}{}` saves the intact blobs of the damaged packs "
                    "and removes them",
                    ids, damaged_.size() > kPacksNamed ? " ..." : ""));
  }
  if (is_one_missing || !damaged_.empty()) {
    report_.hints.emplace_back(
        "`holdfast-agent backup --rehash` then stores again the lost data that the sources still "
        "have");
  }
}

void PackCheck::FindLost() {
  lost_.clear();
  if (bad_blobs_.empty()) return;
  for (const auto& [pack, blobs] : bad_blobs_) lost_.insert(blobs.begin(), blobs.end());
  // A blob with an intact copy in another pack is not lost.
  repository_.index().ForEachBlob([&](BlobType, const Id& id, const BlobLocation& location) {
    if (!lost_.contains(id)) return;
    const auto bad = bad_blobs_.find(location.pack);
    if (bad == bad_blobs_.end() || !bad->second.contains(id)) lost_.erase(id);
  });
}

std::vector<Id> PackCheck::Choose(const ReadSubset& subset) {
  std::vector<Id> chosen;
  for (const auto& [id, pack] : packs_) {
    if (!pack.is_missing && id.bytes[0] % subset.buckets == subset.bucket - 1) chosen.push_back(id);
  }
  std::ranges::sort(chosen);
  if (subset.share >= 1 || chosen.empty()) return chosen;
  const auto wanted = static_cast<std::size_t>(static_cast<double>(chosen.size()) * subset.share);
  const std::size_t count = std::max<std::size_t>(wanted, 1);
  // The start of a Fisher-Yates shuffle.
  for (std::size_t i = 0; i < count; ++i) {
    std::swap(chosen[i], chosen[i + RandomBelow(repository_.random(), chosen.size() - i)]);
  }
  chosen.resize(count);
  std::ranges::sort(chosen);
  return chosen;
}

Result<void> PackCheck::Read(const ReadSubset& subset) {
  const std::vector<Id> order = Choose(subset);
  for (const Id& id : order) progress_.bytes_total += packs_[id].file_bytes;
  std::atomic<std::uint64_t> bytes_read = 0;
  std::mutex mutex;
  std::vector<Id> absent;
  report_.packs_read += order.size();
  HF_TRY(ForEachInParallel(
      order.size(), ReadThreadsFor(repository_.storage()), [&](std::size_t i) -> Result<void> {
        PackReader reader(repository_, progress_, bytes_read, stop_, order[i]);
        HF_ASSIGN(PackReading reading, reader.Read(packs_.find(order[i])->second));
        std::lock_guard lock(mutex);
        if (!reading.is_absent) return Tell(order[i], reading);
        absent.push_back(order[i]);
        return {};
      }));
  report_.bytes_read += bytes_read;
  // Done after all threads have finished, because it reloads the index.
  for (const Id& pack : absent) {
    HF_ASSIGN(const bool is_indexed, IsStillIndexed(pack));
    if (is_indexed) HF_TRY(AddMissing(pack));
  }
  FindLost();
  return {};
}

Result<void> PackCheck::Tell(const Id& pack, const PackReading& reading) {
  if (reading.out_of_reach) {
    HF_TRY(AddPack(
        pack, CheckFinding::State::kOutOfReach,
        fmt::format("pack {} cannot be read: {}", pack.Hex(), reading.out_of_reach->message()),
        reading.out_of_reach->hint()));
    report_.AddHintOf(*reading.out_of_reach);
    --report_.packs_read;
  }
  const CheckFinding::State state = CheckFinding::State::kDamaged;
  std::size_t reported = 0;
  for (const PackReading::BadBlob& blob : reading.bad_blobs) {
    const bool is_shown = reported++ < kBlobsShown;
    HF_TRY(AddBlob(pack, blob.type, blob.id, state, blob.fault, is_shown));
  }
  for (const std::string& fault : reading.faults) {
    HF_TRY(AddPack(pack, state, fmt::format("pack {}: {}", pack.Hex(), fault)));
  }
  if (reading.bad_blobs.empty() || !reading.faults.empty()) return {};
  return AddPack(
      pack, state,
      fmt::format("pack {}: {} of its blobs are damaged", pack.Hex(), reading.bad_blobs.size()));
}

}  // namespace holdfast::repository
