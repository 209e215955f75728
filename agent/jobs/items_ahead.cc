#include "agent/jobs/items_ahead.h"

#include <utility>

namespace holdfast::jobs {

ItemsAhead::~ItemsAhead() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

Result<std::optional<Item>> ItemsAhead::Next() {
  if (readers_ <= 1) return Ask();
  // By the half: threads that are woken once for many files cost less than once for each.
  if (ahead_.size() <= kItemsMax / 2 && bytes_ <= kBytesMax / 2) Fill();
  if (ahead_.empty()) {
    HF_TRY(*end_);
    return std::optional<Item>();
  }
  std::unique_ptr<Ahead> first = std::move(ahead_.front());
  ahead_.pop_front();
  bytes_ -= first->bytes;
  if (ahead_.empty()) is_barred_ = false;
  if (first->reader != nullptr) {
    std::unique_lock lock(mutex_);
    is_awaited_ = true;
    ready_.wait(lock, [&] { return first->is_ready; });
    is_awaited_ = false;
  }
  return std::optional<Item>(std::move(first->item));
}

Result<std::optional<Item>> ItemsAhead::Ask() {
  Result<std::optional<Item>> item = session_.Next();
  if (item && *item && resume_ != nullptr) resume_->Mark(**item);
  return item;
}

// Asks the session for more, as far as it goes.
void ItemsAhead::Fill() {
  std::vector<Ahead*> added;
  while (!end_ && !is_barred_ && ahead_.size() < kItemsMax && bytes_ < kBytesMax) {
    Result<std::optional<Item>> item = Ask();
    if (!item || !*item) {
      end_.emplace();
      if (!item) *end_ = Fail(std::move(item).error());
      break;
    }
    auto ahead = std::make_unique<Ahead>();
    ahead->item = **std::move(item);
    const auto* content = std::get_if<std::unique_ptr<ByteReader>>(&ahead->item.content);
    if (content != nullptr && *content != nullptr) {
      ahead->bytes = (*content)->BytesAhead();
      is_barred_ = ahead->bytes == 0;
      if (ahead->item.was_saved) {
        ahead->bytes = 0;
      } else if (!is_barred_) {
        ahead->reader = content->get();
        ahead->is_ready = false;
        added.push_back(ahead.get());
      }
    }
    bytes_ += ahead->bytes;
    ahead_.push_back(std::move(ahead));
  }
  if (added.empty()) return;
  if (threads_.empty()) BeginThreads();
  {
    std::lock_guard lock(mutex_);
    to_read_.insert(to_read_.end(), added.begin(), added.end());
  }
  work_.notify_all();
}

void ItemsAhead::BeginThreads() {
  for (unsigned i = 0; i < readers_; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { ReadAhead(stop); });
  }
}

void ItemsAhead::ReadAhead(const std::stop_token& stop) {
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
