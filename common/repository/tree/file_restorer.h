// Writes the files of a snapshot, many in parallel, and the parts of large ones in any order.
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
#include "common/repository/store/blob_bundle.h"
#include "common/repository/store/repository.h"
#include "common/repository/tree/lost_list.h"
#include "common/stream/attributes.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct FileToRestore {
  std::string path;    // in the snapshot, for messages
  std::string target;  // relative to the target directory
  Attributes attributes;
  std::vector<Id> content;
  bool is_there = false;  // a regular file exists, and may have some or all of the content
};

struct FileRestorerOptions {
  int top = -1;  // the directory; must stay open
  std::string directory;
  bool restore_owner = true;
  // Parts of temporary names. `resumed_name` is the same for every restore of the snapshot, so that
  // a later one can resume large files. `own_name` is unique.
  std::string resumed_name;
  std::string own_name;
};

// One thread adds the files, in the order in which they were saved. ReadThreadsFor() threads write
// them; each takes several small files or a part of a large one at a time. Memory: about 64 MiB, or
// one blob if that is larger.
class FileRestorer {
 public:
  FileRestorer(Repository& repository, FileRestorerOptions options, Progress& progress,
               std::stop_token stop);
  ~FileRestorer();
  FileRestorer(const FileRestorer&) = delete;
  FileRestorer& operator=(const FileRestorer&) = delete;

  // Waits while the queue is full. An error, even of an earlier file, ends the restore. It is not
  // an error if the repository cannot provide one file; see TakeLost(). REQUIRES: the file's
  // directory exists.
  Result<void> Add(FileToRestore file);
  // Waits until all added files are written.
  Result<void> Flush();

  // REQUIRES, for all below: Flush() was called last.
  struct Counts {
    std::uint64_t items = 0;  // including unchanged ones
    std::uint64_t unchanged = 0;
    std::uint64_t bytes = 0;  // written
  };
  const Counts& counts() const { return counts_; }
  // Files that were not written, because the repository cannot provide them.
  LostList TakeLost() { return std::move(lost_); }
  std::vector<std::string> TakeWarnings();

 private:
  struct LargeFile;
  struct Batch {
    std::vector<FileToRestore> files;  // small files
    LargeFile* large = nullptr;        // or blobs of this file, by number
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

  void AddLost(const std::string& path, const Error& error);
  void Moved(std::uint64_t bytes, bool is_unchanged);
  void Count(std::uint64_t bytes, bool is_unchanged);

  Repository& repository_;
  const FileRestorerOptions options_;
  Progress& progress_;
  const std::stop_token stop_;
  const unsigned threads_max_;
  Batch next_;  // small files, until the batch is full

  std::mutex mutex_;                  // guards all below
  std::condition_variable_any work_;  // there is work, or memory for it
  std::condition_variable done_;
  std::deque<Batch> queue_;
  std::list<LargeFile> large_;
  std::size_t busy_ = 0;             // batches being written
  std::uint64_t bytes_in_work_ = 0;  // of their content
  std::optional<Error> error_;       // the first
  Counts counts_;
  LostList lost_;

  std::vector<std::unique_ptr<Worker>> workers_;  // the first is the adding thread's
  std::vector<std::jthread> threads_;             // last: joined before the rest is destroyed
};

}  // namespace holdfast::repository
