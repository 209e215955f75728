// Loads the blobs of files before they are asked for, on several threads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

// Files are opened and read on one thread, in the same order; one may be left unread. What is
// loaded and not read yet takes some 32 MiB, whatever the files' sizes.
class BlobReadAhead {
 public:
  class File;

  // The repository must outlive it.
  explicit BlobReadAhead(Repository& repository);
  // REQUIRES: no file is left.
  ~BlobReadAhead();
  BlobReadAhead(const BlobReadAhead&) = delete;
  BlobReadAhead& operator=(const BlobReadAhead&) = delete;

  std::unique_ptr<File> Open(std::vector<Id> blobs);

 private:
  void BeginThreads();
  void Load(const std::stop_token& stop);

  Repository& repository_;
  std::size_t blobs_opened_ = 0;

  std::mutex mutex_;                  // of all below, and of the files
  std::condition_variable_any work_;  // for the threads
  std::condition_variable changed_;   // for who reads
  std::deque<File*> to_load_;         // those with blobs that nobody loads yet, in order
  std::size_t files_ = 0;
  std::size_t bytes_loaded_ = 0;  // and not read yet

  std::vector<std::jthread> threads_;  // last: they end before the rest goes
};

class BlobReadAhead::File {
 public:
  File(BlobReadAhead& owner, std::vector<Id> blobs);
  // What was loaded of it and not read is dropped.
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::size_t blob_count() const { return blobs_.size(); }
  // The next blob. Errors are of LoadNeededBlob(). REQUIRES: there is one.
  Result<Bytes> Next();

 private:
  friend class BlobReadAhead;
  BlobReadAhead& owner_;
  const std::vector<Id> blobs_;
  // Of the blobs from `read_` on: those that are being loaded, or were.
  std::deque<std::optional<Result<Bytes>>> loaded_;
  std::size_t read_ = 0;
  std::size_t loading_ = 0;  // threads that are at it
};

}  // namespace holdfast::repository
