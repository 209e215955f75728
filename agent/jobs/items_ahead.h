// The items of a backup session before they are asked for, with the content of small ones read.
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
#include "common/repository/resume_log.h"
#include "common/stream/item.h"
#include "common/stream/progress.h"

namespace holdfast::jobs {

// Finding, opening and describing files takes as long as all that comes after; so a thread of its
// own does that. And a disk or a file server that is asked for one small file after the other
// spends most of its time waiting; so several are read at once, on further threads. Used by one
// thread. Until the object is gone nobody else calls the session.
class ItemsAhead {
 public:
  // So many items, and so many bytes of content and of what the previous snapshot has, are kept at
  // most, with those given last.
  static constexpr std::size_t kItemsMax = 128;
  static constexpr std::size_t kBytesMax = 8U << 20;

  // Reads `readers` files at once; with one nothing is asked for or read before it is wanted, and
  // there is no thread. `progress` learns how much there will be in all, `resume` (may be null)
  // marks each item. Session, progress and log must outlive the object.
  ItemsAhead(BackupSession& session, unsigned readers, Progress& progress,
             repository::ResumeLog* resume = nullptr)
      : session_(session), readers_(readers), progress_(progress), resume_(resume) {}
  ItemsAhead(const ItemsAhead&) = delete;
  ItemsAhead& operator=(const ItemsAhead&) = delete;
  ~ItemsAhead();  // waits for the session, should that be asked right now

  // As BackupSession::Next(). What cannot be read ahead must be read before the next call, as with
  // the session itself.
  Result<std::optional<Item>> Next();

 private:
  struct Ahead {
    Item item;
    ByteReader* reader = nullptr;  // to be read ahead; null: nothing is
    std::size_t bytes = 0;         // that this takes
    bool is_barrier = false;       // to be used before the session goes on
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

  Batch given_;                  // what Next() gives out of, in the session's order
  std::size_t given_items_ = 0;  // that it was made of
  std::size_t given_bytes_ = 0;  // likewise

  std::mutex mutex_;                  // of all below but `threads_`
  std::condition_variable_any room_;  // the session may go on
  std::condition_variable come_;      // there is more in ahead_, or the end
  std::condition_variable_any work_;  // something came into to_read_
  std::condition_variable ready_;     // the one that is awaited may be ready
  Batch ahead_;                       // in the session's order
  std::size_t items_ = 0;             // of ahead_ and given_items_
  std::size_t bytes_ = 0;             // likewise
  bool is_barred_ = false;            // the last one must be used before the session goes on
  std::optional<Result<void>> end_;   // of the session
  std::deque<Ahead*> to_read_;
  bool is_awaited_ = false;  // somebody waits for ready_

  std::vector<std::jthread> threads_;  // last: they end before the rest goes
};

}  // namespace holdfast::jobs
