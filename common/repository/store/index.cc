#include "common/repository/store/index.h"

#include <algorithm>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/repository/format/index_file.h"

namespace holdfast::repository {
namespace {

// Index files are usually near 8 MiB; far larger ones are rejected.
constexpr std::uint64_t kIndexBytesMax = 256U << 20;
constexpr std::uint64_t kSmallIndexBytesMax = 256U << 10;
constexpr unsigned kLargeIndexesAtOnce = 4;

}  // namespace

Result<std::vector<Index::ListedFile>> Index::ListFiles() {
  std::vector<ListedFile> files;
  HF_TRY(storage_.List(FileKind::kIndex, [&](const FileInfo& file) -> Result<void> {
    HF_ASSIGN(Id id, ParseId(file.name.name));
    if (file.size > kIndexBytesMax) {
      return Fail(ErrorCode::kCorrupt, fmt::format("read \"{}\": it has {}", FilePath(file.name),
                                                   FormatBytes(file.size)));
    }
    files.push_back({id, file.size});
    return {};
  }));
  return files;
}

Result<void> Index::LoadFrom(bool uses_cache, const std::stop_token& stop) {
  std::lock_guard loading(load_mutex_);
  constexpr int kTriesMax = 3;
  for (int i = 1;; ++i) {
    Result<void> loaded = TryLoad(uses_cache, stop);
    // A file that vanished between list and read was replaced by another one: list again.
    const bool is_gone = !loaded && loaded.error().code() == ErrorCode::kNotFound;
    if (!is_gone || i == kTriesMax) return loaded;
  }
}

// REQUIRES: load_mutex_ is held, here and below.
Result<void> Index::TryLoad(bool uses_cache, const std::stop_token& stop) {
  HF_ASSIGN(std::vector<ListedFile> files, ListFiles());
  std::set<Id> listed;
  for (const ListedFile& file : files) listed.insert(file.id);
  if (uses_cache && cache_ && indexed_files_.empty()) {
    if (std::optional<IndexCache::Loaded> cached = cache_->Load(listed)) {
      std::unique_lock writing(table_mutex_);
      table_ = std::move(cached->table);
      indexed_files_ = std::move(cached->files);
      is_from_cache_ = true;
    }
  }
  const bool only_additions =
      (uses_cache || !is_from_cache_) && std::ranges::includes(listed, indexed_files_);
  if (only_additions) {
    std::erase_if(files, [&](const auto& file) { return indexed_files_.contains(file.id); });
    return LoadFiles(std::move(files), stop, [&](const Id& id, auto packs) {
      std::unique_lock writing(table_mutex_);
      for (const PackContents& pack : packs) table_.Add(pack);
      indexed_files_.insert(id);
    });
  }
  BlobTable fresh;
  HF_TRY(LoadFiles(std::move(files), stop, [&](const Id&, auto packs) {
    for (const PackContents& pack : packs) fresh.Add(pack);
  }));
  std::unique_lock writing(table_mutex_);
  table_ = std::move(fresh);
  indexed_files_ = std::move(listed);
  is_from_cache_ = false;
  return {};
}

// Loads files in parallel, because most of the time is spent waiting for the storage or, if it is
// near, decoding. `take` is called by one thread at a time.
Result<void> Index::LoadFiles(
    std::vector<ListedFile> files, const std::stop_token& stop,
    const std::function<void(const Id&, std::span<const PackContents>)>& take) {
  std::mutex take_mutex;
  const auto load = [&](const ListedFile& file) -> Result<void> {
    if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "load the index: stopped");
    std::vector<PackContents> packs;
    HF_ASSIGN(Bytes json, files_.Load(FileKind::kIndex, file.id));
    Result<void> decoded =
        DecodeIndexFile(json, [&](PackContents pack) { packs.push_back(std::move(pack)); });
    if (!decoded) {
      return Fail(std::move(decoded).error().While(
          fmt::format("read \"{}\"", FilePath({FileKind::kIndex, file.id.Hex()}))));
    }
    std::lock_guard lock(take_mutex);
    take(file.id, packs);
    return {};
  };
  // Decoding a large file takes some 30 MB, so no more of them are loaded at once than can be
  // decoded at once.
  const auto large = std::partition(files.begin(), files.end(), [](const ListedFile& file) {
    return file.bytes <= kSmallIndexBytesMax;
  });
  const auto small_count = static_cast<std::size_t>(large - files.begin());
  HF_TRY(ForEachInParallel(small_count, ThreadsFor(storage_),
                           [&](std::size_t i) { return load(files[i]); }));
  return ForEachInParallel(files.size() - small_count, std::min(CoreCount(), kLargeIndexesAtOnce),
                           [&](std::size_t i) { return load(files[small_count + i]); });
}

Result<void> Index::SaveCache() {
  std::lock_guard loading(load_mutex_);
  std::shared_lock reading(table_mutex_);
  if (!cache_ || !cache_->Pays(indexed_files_.size(), table_.size())) return {};
  Result<bool> saved = cache_->Save(table_, indexed_files_, clock_.Now());
  if (!saved) return Fail(std::move(saved).error().While("keep the index for the next run"));
  return {};
}

Result<Id> Index::Save(std::span<const PackContents> packs, const Permit& permit) {
  std::lock_guard loading(load_mutex_);
  CrashPoint("repository.index.before_put");
  const Bytes sealed = files_.Seal(AsBytes(EncodeIndexFile(packs)));
  HF_ASSIGN(const Id id, files_.Store(FileKind::kIndex, sealed, permit));
  CrashPoint("repository.index.after_put");
  indexed_files_.insert(id);
  std::unique_lock writing(table_mutex_);
  for (const PackContents& pack : packs) table_.Add(pack);
  return id;
}

void Index::ForEachNumberedBlob(const VisitNumberedBlob& visit) const {
  const Reading table(*this);
  table->ForEach([&](BlobType type, const Id& id, const BlobLocation& location) {
    visit(*table->NumberOf(type, id), type, id, location);
  });
}

}  // namespace holdfast::repository
