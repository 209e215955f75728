#include "common/repository/pack_check.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <ranges>
#include <tuple>
#include <utility>

#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/crypto/sha256.h"

namespace holdfast::repository {
namespace {

// One read; a blob that is larger is read at once.
constexpr std::uint64_t kWindowBytes = 4U << 20;
// Faults named per pack.
constexpr std::size_t kFaultsShown = 10;

Error Stopped() { return Error(ErrorCode::kCancelled, "check stopped by request"); }

// Scatters bits, so that sums of results tell sets apart (the finisher of MurmurHash3).
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

PackContents::Blob BlobOf(BlobType type, const Id& id, const BlobLocation& location) {
  return {id, type, location.offset, location.length, location.plain_length, location.compressed};
}

FileName PackName(const Id& pack) { return {FileKind::kPack, pack.Hex()}; }

Result<std::vector<PackContents::Blob>> IndexEntries(Repository& repository, const Id& pack) {
  std::vector<PackContents::Blob> entries;
  HF_TRY(repository.ForEachBlob(
      [&](BlobType type, const Id& id, const BlobLocation& location) -> Result<void> {
        if (location.pack == pack) entries.push_back(BlobOf(type, id, location));
        return {};
      }));
  std::ranges::sort(
      entries, {}, [](const PackContents::Blob& blob) { return std::tuple(blob.offset, blob.id); });
  return entries;
}

// Reads one pack. Several of them may be at work at once.
class PackReader {
 public:
  PackReader(Repository& repository, Progress& progress, std::atomic<std::uint64_t>& bytes_read,
             const std::stop_token& stop, const Id& pack)
      : repository_(repository),
        progress_(progress),
        bytes_read_(bytes_read),
        stop_(stop),
        pack_(pack) {}

  // An error is one of reading, and says nothing of the data.
  Result<PackReading> Read(const PackSummary& summary) {
    if (stop_.stop_requested()) return Fail(Stopped());
    Result<void> done = TryRead(summary);
    // Shorter than a moment ago, or cut off: the storage says so.
    if (!done && IsDamage(done.error())) {
      reading_.faults.push_back(done.error().message());
    } else if (!done && done.error().code() == ErrorCode::kNotFound) {
      reading_.is_absent = true;
    } else if (!done && IsOutOfReach(done.error())) {
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
      reading_.faults.emplace_back("its header and the index name different blobs");
    }
    return ReadBlobs(file.size, blobs);
  }

  Result<std::vector<PackContents::Blob>> ReadHeader(std::uint64_t file_bytes) {
    crypto::Sealer sealer = repository_.NewSealer();
    Result<std::vector<PackContents::Blob>> blobs =
        LoadPackHeader(repository_.storage(), sealer, pack_, file_bytes);
    if (blobs || !IsDamage(blobs.error())) return blobs;
    reading_.faults.push_back("header: " + blobs.error().message());
    return IndexEntries(repository_, pack_);
  }

  Result<void> ReadBlobs(std::uint64_t file_bytes, const std::vector<PackContents::Blob>& blobs) {
    crypto::Sha256 hash;
    std::uint64_t at = 0;
    std::size_t next = 0;
    // Window by window, each as many whole blobs as fit, and the rest of the file after the last.
    while (at < file_bytes) {
      if (stop_.stop_requested()) return Fail(Stopped());
      std::uint64_t end = std::min(at + kWindowBytes, file_bytes);
      std::size_t last = next;
      if (next < blobs.size() && blobs[next].offset == at) {
        end = std::min(at + std::max<std::uint64_t>(blobs[next].length, 1), file_bytes);
        for (++last; last < blobs.size() && blobs[last].offset == end &&
                     end + blobs[last].length <= std::min(at + kWindowBytes, file_bytes);
             ++last) {
          end += blobs[last].length;
        }
      } else if (next < blobs.size() && blobs[next].offset > at) {
        end = std::min<std::uint64_t>(end, blobs[next].offset);
      } else if (next < blobs.size()) {
        reading_.faults.push_back(fmt::format(
            "{} blob {} overlaps another", BlobTypeName(blobs[next].type), blobs[next].id.Hex()));
        reading_.bad_blobs.insert(blobs[next++].id);
        continue;
      }
      HF_ASSIGN(Bytes window, repository_.storage().Get(PackName(pack_), {at, end - at}));
      hash.Update(window);
      bytes_read_ += window.size();
      progress_.bytes += window.size();
      for (; next < last; ++next) {
        const PackContents::Blob& blob = blobs[next];
        std::uint64_t begin = blob.offset - at;
        Result<Bytes> opened = Fail(ErrorCode::kCorrupt, "the file ends before it");
        if (begin + blob.length <= window.size()) {
          opened = repository_.OpenBlob(blob.type, blob.id, LocationOf(pack_, blob),
                                        ByteView(window).subspan(begin, blob.length));
        }
        if (opened) continue;
        if (!IsDamage(opened.error())) return Fail(std::move(opened).error());
        reading_.faults.push_back(fmt::format("{} blob {}: {}", BlobTypeName(blob.type),
                                              blob.id.Hex(), opened.error().message()));
        reading_.bad_blobs.insert(blob.id);
      }
      at = end;
    }
    for (; next < blobs.size(); ++next) reading_.bad_blobs.insert(blobs[next].id);
    if (hash.Finish() != pack_.bytes)
      reading_.faults.emplace_back("its content does not have the hash that is its name");
    return {};
  }

  Repository& repository_;
  Progress& progress_;
  std::atomic<std::uint64_t>& bytes_read_;
  const std::stop_token& stop_;
  const Id pack_;
  PackReading reading_;
};

}  // namespace

PackCheck::PackCheck(Repository& repository, CheckReport& report, Progress& progress,
                     std::stop_token stop)
    : repository_(repository), report_(report), progress_(progress), stop_(std::move(stop)) {}

Result<void> PackCheck::Summarize() {
  packs_.clear();
  HF_TRY(repository_.ForEachBlob(
      [&](BlobType type, const Id& id, const BlobLocation& location) -> Result<void> {
        PackSummary& pack = packs_[location.pack];
        ++pack.blobs;
        pack.file_bytes +=
            location.length + (location.compressed ? kPackEntryCompressedBytes : kPackEntryBytes);
        pack.fingerprint += Fingerprint(BlobOf(type, id, location));
        (type == BlobType::kData ? pack.has_data : pack.has_trees) = true;
        return {};
      }));
  for (auto& [id, pack] : packs_) pack.file_bytes += ExpectedPackSize({});
  return {};
}

Result<bool> PackCheck::IsStillIndexed(const Id& pack) {
  HF_TRY(repository_.LoadIndex(stop_));
  HF_ASSIGN(std::vector<PackContents::Blob> entries, IndexEntries(repository_, pack));
  return !entries.empty();
}

Result<void> PackCheck::AddMissing(const Id& pack, std::string_view what) {
  report_.errors.push_back(fmt::format("pack {} {}", pack.Hex(), what));
  HF_ASSIGN(std::vector<PackContents::Blob> entries, IndexEntries(repository_, pack));
  for (const PackContents::Blob& blob : entries) bad_blobs_[pack].insert(blob.id);
  packs_[pack].is_missing = true;
  return {};
}

Result<void> PackCheck::CheckFiles() {
  HF_TRY(Summarize());
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
  std::vector<Id> suspects;
  for (const auto& [id, pack] : packs_) {
    const auto file = files.find(id);
    if (file == files.end() || file->second != pack.file_bytes) suspects.push_back(id);
    report_.blobs += pack.blobs;
    if (pack.has_data && pack.has_trees) {
      report_.hints.push_back(
          fmt::format("pack {} holds data and trees; a prune sorts them apart", id.Hex()));
    }
  }
  std::ranges::sort(suspects);
  for (const Id& id : suspects) {
    // A prune may have taken the pack since the index was read; then the index does not name it
    // any more.
    Result<FileInfo> file = repository_.storage().Stat(PackName(id));
    if (!file && file.error().code() != ErrorCode::kNotFound) return Fail(file.error());
    if (file && file->size == packs_[id].file_bytes) continue;
    HF_ASSIGN(bool is_indexed, IsStillIndexed(id));
    if (!is_indexed) {
      packs_.erase(id);
    } else if (!file) {
      HF_TRY(AddMissing(id, "is in the index but not in the storage"));
    } else {
      report_.errors.push_back(fmt::format("pack {} has {} bytes, the index makes it {}", id.Hex(),
                                           file->size, packs_[id].file_bytes));
      damaged_.insert(id);
      // What lies behind its end is lost; the rest shows when it is read.
      HF_ASSIGN(std::vector<PackContents::Blob> entries, IndexEntries(repository_, id));
      for (const PackContents::Blob& blob : entries) {
        if (std::uint64_t{blob.offset} + blob.length > file->size) bad_blobs_[id].insert(blob.id);
      }
    }
  }
  report_.packs = packs_.size();
  if (report_.packs_unreferenced != 0) {
    report_.hints.push_back(fmt::format(
        "{} packs are in no index: left by an interrupted backup, or being written right now",
        report_.packs_unreferenced));
  }
  return FindLost();
}

void PackCheck::AddHints() const {
  constexpr std::size_t kPacksNamed = 20;
  const bool is_one_missing =
      std::ranges::any_of(packs_, [](const auto& pack) { return pack.second.is_missing; });
  if (is_one_missing) {
    report_.hints.emplace_back(
        "\"repository repair index\" takes the packs that are not there out of the index");
  }
  if (!damaged_.empty()) {
    std::string ids;
    for (const Id& id : damaged_ | std::views::take(kPacksNamed)) ids += " " + id.Hex();
    report_.hints.push_back(
        fmt::format("\"repository repair packs{}{}\" saves what is whole in the damaged packs, and "
                    "removes them",
                    ids, damaged_.size() > kPacksNamed ? " ..." : ""));
  }
  if (is_one_missing || !damaged_.empty()) {
    report_.hints.emplace_back(
        "\"backup --rehash\" then stores again what the sources still have of what was lost");
  }
}

Result<void> PackCheck::FindLost() {
  lost_.clear();
  if (bad_blobs_.empty()) return {};
  for (const auto& [pack, blobs] : bad_blobs_) lost_.insert(blobs.begin(), blobs.end());
  // A blob that another pack has whole is not lost.
  return repository_.ForEachBlob(
      [&](BlobType, const Id& id, const BlobLocation& location) -> Result<void> {
        if (!lost_.contains(id)) return {};
        const auto bad = bad_blobs_.find(location.pack);
        if (bad == bad_blobs_.end() || !bad->second.contains(id)) lost_.erase(id);
        return {};
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
  // The first ones of a shuffle; that some are a tiny bit likelier than others does no harm.
  for (std::size_t i = 0; i < count; ++i) {
    std::array<std::uint8_t, 8> bytes;
    repository_.random().Fill(bytes);
    std::uint64_t draw = 0;
    std::memcpy(&draw, bytes.data(), sizeof draw);
    std::swap(chosen[i], chosen[i + draw % (chosen.size() - i)]);
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
  std::map<std::size_t, PackReading> worth_telling;  // so that it is told in order
  HF_TRY(ForEachInParallel(
      order.size(), ThreadsFor(repository_.storage()), [&](std::size_t i) -> Result<void> {
        PackReader reader(repository_, progress_, bytes_read, stop_, order[i]);
        HF_ASSIGN(PackReading reading, reader.Read(packs_.find(order[i])->second));
        if (reading.faults.empty() && reading.bad_blobs.empty() && !reading.is_absent &&
            !reading.out_of_reach) {
          return {};
        }
        std::lock_guard lock(mutex);
        worth_telling.emplace(i, std::move(reading));
        return {};
      }));
  report_.bytes_read += bytes_read;
  report_.packs_read += order.size();
  for (const auto& [i, reading] : worth_telling) HF_TRY(Tell(order[i], reading));
  return FindLost();
}

Result<void> PackCheck::Tell(const Id& pack, const PackReading& reading) {
  if (reading.is_absent) {
    HF_ASSIGN(bool is_indexed, IsStillIndexed(pack));
    return is_indexed ? AddMissing(pack, "is in the index but not in the storage") : Result<void>();
  }
  if (reading.out_of_reach) {
    report_.errors.push_back(
        fmt::format("pack {} cannot be had: {}", pack.Hex(), reading.out_of_reach->message()));
    report_.AddHintOf(*reading.out_of_reach);
    --report_.packs_read;
    if (reading.faults.empty() && reading.bad_blobs.empty()) return {};
  }
  damaged_.insert(pack);
  if (!reading.bad_blobs.empty()) {
    bad_blobs_[pack].insert(reading.bad_blobs.begin(), reading.bad_blobs.end());
  }
  const std::vector<std::string>& faults = reading.faults;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    if (i == kFaultsShown) {
      report_.errors.push_back(
          fmt::format("pack {}: {} more faults", pack.Hex(), faults.size() - i));
      break;
    }
    report_.errors.push_back(fmt::format("pack {}: {}", pack.Hex(), faults[i]));
  }
  return {};
}

}  // namespace holdfast::repository
