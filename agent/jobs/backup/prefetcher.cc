#include "agent/jobs/backup/prefetcher.h"

#include <algorithm>
#include <utility>

namespace holdfast::jobs {
namespace {

// Synchronising once per batch costs less than once per item. One half is filled while the other is
// used.
constexpr std::size_t kBatchItems = Prefetcher::kItemsMax / 2;
constexpr std::size_t kBatchBytes = Prefetcher::kBytesMax / 2;

}  // namespace

Prefetcher::~Prefetcher() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

Result<std::optional<Item>> Prefetcher::Next() {
  if (readers_ <= 1) return Ask();
  if (threads_.empty()) BeginThreads();
  if (given_.empty()) Fetch();
  if (given_.empty()) {
    HF_TRY(*end_);  // final once set
    return std::optional<Item>();
  }
  std::unique_ptr<Ahead> first = std::move(given_.front());
  given_.pop_front();
  if (!first->is_ready) {
    std::unique_lock lock(mutex_);
    is_awaited_ = true;
    ready_.wait(lock, [&] { return first->is_ready.load(); });
    is_awaited_ = false;
  }
  return std::optional<Item>(std::move(first->item));
}

// Takes the next batch. REQUIRES: given_ is empty, i.e. the previous batch is used up. given_ stays
// empty only at the session's end.
void Prefetcher::Fetch() {
  std::unique_lock lock(mutex_);
  items_ -= std::exchange(given_items_, 0);
  bytes_ -= std::exchange(given_bytes_, 0);
  if (ahead_.empty()) is_barred_ = false;
  room_.notify_one();
  come_.wait(lock, [this] { return !ahead_.empty() || end_; });
  while (!ahead_.empty() && given_.size() < kBatchItems && given_bytes_ < kBatchBytes) {
    given_bytes_ += ahead_.front()->bytes;
    given_.push_back(std::move(ahead_.front()));
    ahead_.pop_front();
  }
  given_items_ = given_.size();
}

Result<std::optional<Item>> Prefetcher::Ask() {
  Result<std::optional<Item>> item = session_.Next();
  progress_.bytes_total = session_.bytes_total();
  if (item && *item && resume_ != nullptr) resume_->Mark(**item);
  return item;
}

void Prefetcher::BeginThreads() {
  for (unsigned i = 0; i < readers_; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { ReadAhead(stop); });
  }
  threads_.emplace_back([this](const std::stop_token& stop) { AskAhead(stop); });
}

void Prefetcher::AskAhead(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto may_go_on = [this] { return !is_barred_ && items_ < kItemsMax && bytes_ < kBytesMax; };
  while (!end_ && room_.wait(lock, stop, may_go_on) && !stop.stop_requested()) {
    const std::size_t items_max = std::min(kBatchItems, kItemsMax - items_);
    const std::size_t bytes_max = std::min(kBatchBytes, kBytesMax - bytes_);
    lock.unlock();
    Batch batch;
    std::optional<Result<void>> end = AskSome(batch, items_max, bytes_max, stop);
    lock.lock();
    end_ = std::move(end);
    Publish(std::move(batch));
  }
}

// Prefetches up to `items_max` items and about `bytes_max` bytes. Returns the session's outcome if
// it has ended.
std::optional<Result<void>> Prefetcher::AskSome(Batch& batch, std::size_t items_max,
                                                std::size_t bytes_max,
                                                const std::stop_token& stop) {
  std::size_t bytes = 0;
  while (batch.size() < items_max && bytes < bytes_max && !stop.stop_requested()) {
    Result<std::optional<Item>> item = Ask();
    if (!item) return Result<void>(Fail(std::move(item).error()));
    if (!*item) return Result<void>();
    auto ahead = std::make_unique<Ahead>();
    ahead->item = **std::move(item);
    const auto* content = std::get_if<std::unique_ptr<ByteReader>>(&ahead->item.content);
    if (content != nullptr && *content != nullptr) {
      const std::size_t content_bytes = (*content)->ReadAheadBytes();
      ahead->is_barrier = content_bytes == 0;
      if (!ahead->is_barrier && !ahead->item.was_saved) {
        ahead->bytes = content_bytes;
        ahead->reader = content->get();
        ahead->is_ready = false;
      }
    }
    if (const auto* reuse = std::get_if<Reuse>(&ahead->item.content);
        reuse != nullptr && reuse->entry != nullptr) {
      ahead->bytes = reuse->entry->bytes();
    }
    bytes += ahead->bytes;
    batch.push_back(std::move(ahead));
    if (batch.back()->is_barrier) break;
  }
  return std::nullopt;
}

// REQUIRES: mutex_ is held.
void Prefetcher::Publish(Batch batch) {
  for (std::unique_ptr<Ahead>& ahead : batch) {
    ++items_;
    bytes_ += ahead->bytes;
    is_barred_ = ahead->is_barrier;
    if (ahead->reader != nullptr) to_read_.push_back(ahead.get());
    ahead_.push_back(std::move(ahead));
  }
  if (!to_read_.empty()) work_.notify_all();
  come_.notify_one();
}

void Prefetcher::ReadAhead(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (work_.wait(lock, stop, [this] { return !to_read_.empty(); }) && !stop.stop_requested()) {
    Ahead& ahead = *to_read_.front();
    to_read_.pop_front();
    lock.unlock();
    ahead.reader->ReadAhead();
    lock.lock();
    ahead.is_ready = true;
    if (is_awaited_) ready_.notify_one();
  }
}

}  // namespace holdfast::jobs
