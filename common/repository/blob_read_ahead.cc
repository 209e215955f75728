#include "common/repository/blob_read_ahead.h"

#include <algorithm>
#include <utility>

#include "common/repository/directory_cache.h"

namespace holdfast::repository {
namespace {

// No blob is begun while this much is loaded; so the last ones come on top.
constexpr std::size_t kBytesMax = 24U << 20;
// For fewer blobs threads cost more than they bring.
constexpr std::size_t kAloneBlobs = 16;

}  // namespace

BlobReadAhead::BlobReadAhead(Repository& repository) : repository_(repository) {}

BlobReadAhead::~BlobReadAhead() { HF_CHECK(files_ == 0); }

std::unique_ptr<BlobReadAhead::File> BlobReadAhead::Open(std::vector<Id> blobs) {
  blobs_opened_ += blobs.size();
  if (threads_.empty() && blobs_opened_ > kAloneBlobs) BeginThreads();
  auto file = std::make_unique<File>(*this, std::move(blobs));
  std::lock_guard lock(mutex_);
  ++files_;
  if (file->blob_count() > 0) to_load_.push_back(file.get());
  work_.notify_all();
  return file;
}

void BlobReadAhead::BeginThreads() {
  const unsigned count = ThreadsFor(repository_.storage());
  for (unsigned i = 0; i < count; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { Load(stop); });
  }
}

void BlobReadAhead::Load(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto has_work = [this] { return !to_load_.empty() && bytes_loaded_ < kBytesMax; };
  while (work_.wait(lock, stop, has_work) && !stop.stop_requested()) {
    File& file = *to_load_.front();
    const std::size_t number = file.read_ + file.loaded_.size();
    std::optional<Result<Bytes>>& place = file.loaded_.emplace_back();
    if (number + 1 == file.blobs_.size()) to_load_.pop_front();
    ++file.loading_;
    lock.unlock();
    Result<Bytes> blob = LoadNeededBlob(repository_, BlobType::kData, file.blobs_[number]);
    lock.lock();
    if (blob) bytes_loaded_ += blob->size();
    place = std::move(blob);
    --file.loading_;
    changed_.notify_all();
  }
}

BlobReadAhead::File::File(BlobReadAhead& owner, std::vector<Id> blobs)
    : owner_(owner), blobs_(std::move(blobs)) {}

BlobReadAhead::File::~File() {
  std::unique_lock lock(owner_.mutex_);
  if (read_ + loaded_.size() < blobs_.size()) std::erase(owner_.to_load_, this);
  owner_.changed_.wait(lock, [this] { return loading_ == 0; });
  for (const auto& loaded : loaded_) {
    if (*loaded) owner_.bytes_loaded_ -= (*loaded)->size();
  }
  --owner_.files_;
  owner_.work_.notify_all();
}

Result<Bytes> BlobReadAhead::File::Next() {
  HF_CHECK(read_ < blobs_.size());
  std::unique_lock lock(owner_.mutex_);
  if (loaded_.empty()) {
    // Nobody is at it: all others are at what comes before, or there are none.
    const Id& id = blobs_[read_++];
    if (read_ == blobs_.size()) std::erase(owner_.to_load_, this);
    lock.unlock();
    return LoadNeededBlob(owner_.repository_, BlobType::kData, id);
  }
  owner_.changed_.wait(lock, [this] { return loaded_.front().has_value(); });
  Result<Bytes> blob = *std::move(loaded_.front());
  loaded_.pop_front();
  ++read_;
  if (blob) owner_.bytes_loaded_ -= blob->size();
  owner_.work_.notify_all();
  return blob;
}

}  // namespace holdfast::repository
