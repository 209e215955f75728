// The items of a backup session, with the content of small ones read before it is asked for.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "agent/sources/source.h"
#include "common/base/result.h"
#include "common/repository/resume_log.h"
#include "common/stream/item.h"

namespace holdfast::jobs {

// A disk or a file server that is asked for one small file after the other spends most of its time
// waiting; so several are read at once, on threads of their own. Used by one thread, which is also
// the only one that calls the session.
class ItemsAhead {
 public:
  // So many items, and so many bytes of content, are kept at most.
  static constexpr std::size_t kItemsMax = 128;
  static constexpr std::size_t kBytesMax = 8U << 20;

  // Reads `readers` files at once; with one, none before it is asked for, and without any thread.
  // `resume` (may be null) marks each item. Session and log must outlive the object.
  ItemsAhead(BackupSession& session, unsigned readers, repository::ResumeLog* resume = nullptr)
      : session_(session), readers_(readers), resume_(resume) {}
  ItemsAhead(const ItemsAhead&) = delete;
  ItemsAhead& operator=(const ItemsAhead&) = delete;
  ~ItemsAhead();

  // As BackupSession::Next(). What cannot be read ahead must be read before the next call, as with
  // the session itself.
  Result<std::optional<Item>> Next();

 private:
  struct Ahead {
    Item item;
    ByteReader* reader = nullptr;  // to be read ahead; null: nothing is
    std::size_t bytes = 0;         // that this takes
    bool is_ready = true;          // of mutex_
  };

  Result<std::optional<Item>> Ask();
  void Fill();
  void BeginThreads();
  void ReadAhead(const std::stop_token& stop);

  BackupSession& session_;
  const unsigned readers_;
  repository::ResumeLog* const resume_;
  std::deque<std::unique_ptr<Ahead>> ahead_;  // in the session's order
  std::size_t bytes_ = 0;                     // of all in ahead_
  bool is_barred_ = false;           // the last one must be used before the session goes on
  std::optional<Result<void>> end_;  // of the session

  std::mutex mutex_;
  std::condition_variable_any work_;  // something came into to_read_
  std::condition_variable ready_;     // the first in ahead_ may be ready
  std::deque<Ahead*> to_read_;        // of mutex_
  bool is_awaited_ = false;           // likewise: somebody waits for ready_

  std::vector<std::jthread> threads_;  // last: they end before the rest goes
};

}  // namespace holdfast::jobs
