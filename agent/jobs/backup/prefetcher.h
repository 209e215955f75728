// Prefetches the items of a backup session, and the content of small ones.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "agent/sources/source.h"
#include "common/base/result.h"
#include "common/repository/snapshot/resume_log.h"
#include "common/stream/item.h"
#include "common/stream/progress.h"

namespace holdfast::jobs {

// Finding, opening and describing files takes as long as everything after it, so a separate thread
// does that. Reading one small file after another mostly waits for the disk or file server, so more
// threads read several at once. Used by one thread. Until the object is destroyed, nothing else may
// call the session.
class Prefetcher {
 public:
  // Upper limits of prefetched items, and of bytes: their content and the previous snapshot's
  // entries. Items of the current batch count too.
  static constexpr std::size_t kItemsMax = 128;
  static constexpr std::size_t kBytesMax = 8U << 20;

  // Reads `readers` files concurrently. With 1, does not prefetch and starts no threads. Updates
  // the total in `progress`. `resume` (may be null) marks each item. Session, progress and log must
  // outlive the object.
  Prefetcher(BackupSession& session, unsigned readers, Progress& progress,
             repository::ResumeLog* resume = nullptr)
      : session_(session), readers_(readers), progress_(progress), resume_(resume) {}
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;
  ~Prefetcher();  // waits for a session call in progress

  // As BackupSession::Next(). An item that cannot be prefetched must be read before the next call,
  // as with the session itself.
  Result<std::optional<Item>> Next();

 private:
  struct Ahead {
    Item item;
    ByteReader* reader = nullptr;  // to prefetch; null: nothing
    std::size_t bytes = 0;         // memory that it takes
    bool is_barrier = false;       // must be used before the session continues
    std::atomic<bool> is_ready = true;
  };
  using Batch = std::deque<std::unique_ptr<Ahead>>;

  Result<std::optional<Item>> Ask();
  void Fetch();
  void BeginThreads();
  void AskAhead(const std::stop_token& stop);
  std::optional<Result<void>> AskSome(Batch& batch, std::size_t items_max, std::size_t bytes_max,
                                      const std::stop_token& stop);
  void Publish(Batch batch);
  void ReadAhead(const std::stop_token& stop);

  BackupSession& session_;
  const unsigned readers_;
  Progress& progress_;
  repository::ResumeLog* const resume_;

  Batch given_;                  // batch that Next() returns items from, in the session's order
  std::size_t given_items_ = 0;  // size of that batch when it was taken
  std::size_t given_bytes_ = 0;  // likewise

  std::mutex mutex_;                  // guards all below except `threads_`
  std::condition_variable_any room_;  // the session may continue
  std::condition_variable come_;      // ahead_ has more, or end_ is set
  std::condition_variable_any work_;  // to_read_ has more
  std::condition_variable ready_;     // the awaited item may be ready
  Batch ahead_;                       // in the session's order
  std::size_t items_ = 0;             // in ahead_, plus given_items_
  std::size_t bytes_ = 0;             // likewise
  bool is_barred_ = false;            // the last item must be used before the session continues
  std::optional<Result<void>> end_;   // the session's outcome, once it has ended
  std::deque<Ahead*> to_read_;
  bool is_awaited_ = false;  // Next() waits for ready_

  std::vector<std::jthread> threads_;  // last: must end before the other members are destroyed
};

}  // namespace holdfast::jobs
