// Writes the files of a snapshot, many at once and the parts of large ones in any order.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "common/base/result.h"
#include "common/filetree/existing_tree.h"
#include "common/filetree/file_writer.h"
#include "common/repository/blob_bundle.h"
#include "common/repository/lost_list.h"
#include "common/repository/repository.h"
#include "common/stream/attributes.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct FileToRestore {
  std::string path;    // in the snapshot, for people
  std::string target;  // below the directory
  Attributes attributes;
  std::vector<Id> content;
  bool is_there = false;  // a regular file lies there, which may have some of the content, or all
};

struct FileRestorerOptions {
  int top = -1;  // the directory, open as long as the restorer lives
  std::string directory;
  bool restore_owner = true;
  // What temporary names have in them: of files that a later one may resume, the same as then; of
  // all others, like none before.
  std::string resumed_name;
  std::string own_name;
};

// Files come in the order in which they were saved, one thread adds them. Threads write them, as
// many as ReadThreadsFor() says, each several small ones or a part of a large one at a time. What
// is in memory at once takes some 64 MiB, or one blob.
class FileRestorer {
 public:
  FileRestorer(Repository& repository, FileRestorerOptions options, Progress& progress,
               std::stop_token stop);
  ~FileRestorer();
  FileRestorer(const FileRestorer&) = delete;
  FileRestorer& operator=(const FileRestorer&) = delete;

  // The file's directory is there. Waits while there is much to do. An error, also one of a file
  // that was added before, ends it all; what the repository does not give of one file alone is
  // none.
  Result<void> Add(FileToRestore file);
  // Returns when all that was added is written.
  Result<void> Flush();

  // REQUIRES of all below: Flush() was called last.
  struct Counts {
    std::uint64_t items = 0;  // with what was unchanged
    std::uint64_t unchanged = 0;
    std::uint64_t bytes = 0;  // written
  };
  const Counts& counts() const { return counts_; }
  // Files that are not written.
  LostList TakeLost() { return std::move(lost_); }
  std::vector<std::string> TakeWarnings();

 private:
  struct LargeFile;
  struct Batch {
    std::vector<FileToRestore> files;  // small ones
    LargeFile* large = nullptr;        // or some blobs of this one, by their number
    std::vector<std::size_t> blobs;
    std::uint64_t bytes = 0;
  };
  struct Worker;
  struct SmallFile;

  Result<void> AddLarge(FileToRestore file);
  Result<bool> BeginLarge(LargeFile& large);
  std::vector<Batch> CutLarge(LargeFile& large, const std::vector<bool>& is_written);
  Result<void> Push(Batch batch);
  void BeginThreads();
  void Work(Worker& worker, const std::stop_token& stop);
  void Do(Worker& worker, Batch batch);

  Result<void> WriteSmall(Worker& worker, Batch& batch);
  Result<bool> Compare(Worker& worker, SmallFile& small, BlobBundle& bundle);
  Result<void> WriteOne(Worker& worker, SmallFile& small, BlobBundle& bundle);
  Result<bool> KeepIfLike(Worker& worker, const FileToRestore& file, int there,
                          const struct stat& status);
  Result<void> WritePart(Worker& worker, const Batch& batch);
  Result<void> WriteBlobs(const Batch& batch);
  Result<void> FinishLarge(Worker& worker, LargeFile& large);

  Result<void> CheckStop() const;
  void AddLost(const std::string& path, const Error& error);
  void Moved(std::uint64_t bytes, bool is_unchanged);
  void Count(std::uint64_t bytes, bool is_unchanged);

  Repository& repository_;
  const FileRestorerOptions options_;
  Progress& progress_;
  const std::stop_token stop_;
  const unsigned threads_max_;
  Batch next_;  // small files, until there are enough

  std::mutex mutex_;                  // of all below
  std::condition_variable_any work_;  // there is something to do, or room to do it
  std::condition_variable done_;
  std::deque<Batch> queue_;
  std::list<LargeFile> large_;
  std::size_t busy_ = 0;             // batches that are worked at
  std::uint64_t bytes_in_work_ = 0;  // their content
  std::optional<Error> error_;       // the first
  Counts counts_;
  LostList lost_;

  std::vector<std::unique_ptr<Worker>> workers_;  // the first is who adds
  std::vector<std::jthread> threads_;             // last: they end before the rest goes
};

}  // namespace holdfast::repository
