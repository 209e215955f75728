#include "common/repository/tree/file_restorer.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "common/base/format.h"
#include "common/base/parallel.h"
#include "common/repository/tree/file_content.h"

namespace holdfast::repository {
namespace {

// Larger files are split into parts of about this size.
constexpr std::uint64_t kSmallFileBytes = 4U << 20;
// Limits of a batch of small files, which one thread writes.
constexpr std::uint64_t kFileBatchBytes = 1U << 20;
constexpr std::size_t kBatchFiles = 128;
// Limit for queued batches, per thread.
constexpr std::size_t kWaitingPerThread = 2;
// Limit for the content of the batches being written. A larger batch is written alone.
constexpr std::uint64_t kBytesInWorkMax = 48U << 20;
constexpr std::size_t kWarningsMax = 1000;

std::uint64_t Fnv1a(std::string_view path) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : path) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3U;
  return hash;
}

Error WhileReading(Error error, const std::string& path) {
  if (error.code() == ErrorCode::kCancelled) return error;  // the file is not the cause
  return std::move(error).While("read " + Quote(path));
}

}  // namespace

struct FileRestorer::Worker {
  Worker(const FileRestorerOptions& options, std::size_t number)
      : existing(options.top, options.directory),
        writer(options.top, options.directory,
               fmt::format("{}-{}-{}", filetree::kPartPrefix, options.own_name, number)) {}
  filetree::ExistingTree existing;
  filetree::FileWriter writer;
  std::vector<std::string> warnings;
  std::size_t warnings_dropped = 0;
};

struct FileRestorer::LargeFile {
  FileToRestore file;
  std::vector<std::uint64_t> offsets;
  Fd old;
  std::vector<bool> is_in_old;
  std::unique_ptr<filetree::PendingFile> made;
  std::uint64_t bytes_to_write = 0;
  std::atomic<std::size_t> parts_left = 0;
  std::mutex mutex;
  std::optional<Error> lost;  // the first error; guarded by `mutex`
};

struct FileRestorer::SmallFile {
  FileToRestore* file;
  std::vector<Bytes> there;            // blobs that the existing file has; others are empty
  std::vector<std::size_t> in_bundle;  // numbers of the others
};

FileRestorer::FileRestorer(Repository& repository, FileRestorerOptions options, Progress& progress,
                           std::stop_token stop)
    : repository_(repository),
      options_(std::move(options)),
      progress_(progress),
      stop_(std::move(stop)),
      threads_max_(ReadThreadsFor(repository.storage())) {
  workers_.push_back(std::make_unique<Worker>(options_, 0));
}

FileRestorer::~FileRestorer() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void FileRestorer::AddLost(const std::string& path, const Error& error) {
  std::lock_guard lock(mutex_);
  lost_.Add(WhileReading(error, path));
}

// Updates the progress. Unchanged content was not fetched from the repository.
void FileRestorer::Moved(std::uint64_t bytes, bool is_unchanged) {
  if (is_unchanged) {
    progress_.AddUnchanged(bytes);
  } else {
    progress_.bytes += bytes;
  }
}

void FileRestorer::Count(std::uint64_t bytes, bool is_unchanged) {
  ++progress_.items;
  std::lock_guard lock(mutex_);
  ++counts_.items;
  counts_.bytes += bytes;
  if (is_unchanged) ++counts_.unchanged;
}

std::vector<std::string> FileRestorer::TakeWarnings() {
  std::vector<std::string> all;
  std::size_t dropped = 0;
  for (const auto& worker : workers_) {
    for (std::string& warning : worker->warnings) {
      if (all.size() < kWarningsMax) {
        all.push_back(std::move(warning));
      } else {
        ++dropped;
      }
    }
    dropped += worker->warnings_dropped;
    worker->warnings.clear();
    worker->warnings_dropped = 0;
  }
  if (dropped > 0) all.push_back(fmt::format("and {} similar ones", dropped));
  return all;
}

Result<void> FileRestorer::Add(FileToRestore file) {
  if (file.attributes.size > kSmallFileBytes) return AddLarge(std::move(file));
  next_.bytes += file.attributes.size;
  next_.files.push_back(std::move(file));
  if (next_.bytes < kFileBatchBytes && next_.files.size() < kBatchFiles) return {};
  return Push(std::exchange(next_, {}));
}

Result<void> FileRestorer::Flush() {
  if (!next_.files.empty()) {
    Batch last = std::exchange(next_, {});
    if (threads_.empty()) {  // so little needs no threads
      Do(*workers_.front(), std::move(last));
    } else {
      HF_TRY(Push(std::move(last)));
    }
  }
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0 && (queue_.empty() || error_); });
  if (error_) return Fail(*error_);
  return CheckStop(stop_);
}

Result<void> FileRestorer::Push(Batch batch) {
  HF_TRY(CheckStop(stop_));
  if (threads_.empty()) BeginThreads();
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return error_ || queue_.size() < kWaitingPerThread * threads_max_; });
  if (error_) return Fail(*error_);
  queue_.push_back(std::move(batch));
  work_.notify_one();
  return {};
}

void FileRestorer::BeginThreads() {
  for (unsigned i = 0; i < threads_max_; ++i) {
    workers_.push_back(std::make_unique<Worker>(options_, i + 1));
  }
  for (unsigned i = 0; i < threads_max_; ++i) {
    threads_.emplace_back(
        [this, &worker = *workers_[i + 1]](const std::stop_token& stop) { Work(worker, stop); });
  }
}

void FileRestorer::Work(Worker& worker, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto may_begin = [this] {
    return !error_ && !queue_.empty() &&
           (busy_ == 0 || bytes_in_work_ + queue_.front().bytes <= kBytesInWorkMax);
  };
  while (work_.wait(lock, stop, may_begin) && !stop.stop_requested()) {
    Batch batch = std::move(queue_.front());
    queue_.pop_front();
    ++busy_;
    const std::uint64_t bytes = batch.bytes;
    bytes_in_work_ += bytes;
    done_.notify_all();  // there is room in the queue
    lock.unlock();
    Do(worker, std::move(batch));
    lock.lock();
    --busy_;
    bytes_in_work_ -= bytes;
    work_.notify_all();
    done_.notify_all();
  }
}

void FileRestorer::Do(Worker& worker, Batch batch) {
  Result<void> done = batch.large != nullptr ? WritePart(worker, batch) : WriteSmall(worker, batch);
  if (worker.warnings.size() > kWarningsMax) {
    worker.warnings_dropped += worker.warnings.size() - kWarningsMax;
    worker.warnings.resize(kWarningsMax);
  }
  if (done) return;
  std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(done).error();
}

Result<void> FileRestorer::WriteSmall(Worker& worker, Batch& batch) {
  BlobBundle bundle(repository_);
  std::vector<SmallFile> to_write;
  for (FileToRestore& file : batch.files) {
    HF_TRY(CheckStop(stop_));
    SmallFile small{&file, {}, {}};
    HF_ASSIGN(const bool is_done, Compare(worker, small, bundle));
    if (!is_done) to_write.push_back(std::move(small));
  }
  HF_TRY(bundle.Read());
  for (SmallFile& small : to_write) {
    HF_TRY(CheckStop(stop_));
    HF_TRY(WriteOne(worker, small, bundle));
  }
  return {};
}

// Whether nothing is left to do. Otherwise adds the blobs that the file does not have to `bundle`.
Result<bool> FileRestorer::Compare(Worker& worker, SmallFile& small, BlobBundle& bundle) {
  const FileToRestore& file = *small.file;
  small.there.resize(file.content.size());
  if (file.is_there) {
    HF_ASSIGN(const Fd old, worker.existing.OpenFile(file.target));
    struct stat status {};
    if (old.is_open() && fstat(old.get(), &status) == 0) {
      const auto offsets = BlobOffsets(repository_.blobs(), file.content, file.attributes.size);
      if (!offsets) {
        if (!IsSingleObjectError(offsets.error())) return Fail(offsets.error());
        AddLost(file.path, offsets.error());
        return true;
      }
      bool is_equal = static_cast<std::uint64_t>(status.st_size) == file.attributes.size;
      for (std::size_t i = 0; i < file.content.size(); ++i) {
        small.there[i] =
            ReadBlobInFile(old.get(), file.content[i], (*offsets)[i], (*offsets)[i + 1]);
        is_equal = is_equal && !small.there[i].empty();
      }
      if (is_equal) {
        HF_ASSIGN(const bool is_kept, KeepIfLike(worker, file, old.get(), status));
        if (is_kept) return true;
      }
    }
  }
  for (std::size_t i = 0; i < file.content.size(); ++i) {
    small.in_bundle.push_back(small.there[i].empty() ? bundle.Add(file.content[i]) : 0);
  }
  return false;
}

// Sets the attributes of an existing file with the right content. False if it has other names,
// which may be anywhere: the file that they name must not change.
Result<bool> FileRestorer::KeepIfLike(Worker& worker, const FileToRestore& file, int there,
                                      const struct stat& status) {
  HF_ASSIGN(const bool is_like, worker.existing.HasAttributes(file.target, status, file.attributes,
                                                              options_.restore_owner));
  if (!is_like) {
    HF_ASSIGN(const bool is_set,
              worker.existing.SetAttributes(there, file.target, file.attributes,
                                            options_.restore_owner, worker.warnings));
    if (!is_set) return false;
  }
  progress_.AddUnchanged(file.attributes.size);
  Count(0, is_like);
  return true;
}

Result<void> FileRestorer::WriteOne(Worker& worker, SmallFile& small, BlobBundle& bundle) {
  const FileToRestore& file = *small.file;
  HF_ASSIGN(const std::unique_ptr<filetree::PendingFile> made, worker.writer.Begin(file.target));
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < file.content.size(); ++i) {
    Bytes bytes = std::move(small.there[i]);
    const bool is_unchanged = !bytes.empty();
    if (!is_unchanged) {
      Result<Bytes> loaded = bundle.Open(small.in_bundle[i]);
      if (!loaded) {
        if (!IsSingleObjectError(loaded.error())) {
          return Fail(WhileReading(std::move(loaded).error(), file.path));
        }
        AddLost(file.path, loaded.error());
        return {};
      }
      bytes = *std::move(loaded);
    }
    HF_TRY(made->WriteAt(size, bytes));
    size += bytes.size();
    Moved(bytes.size(), is_unchanged);
  }
  if (size != file.attributes.size) {
    AddLost(file.path, SizeMismatch(size, file.attributes.size));
    return {};
  }
  HF_TRY(made->Commit(file.attributes, options_.restore_owner, worker.warnings));
  Count(size, false);
  return {};
}

Result<void> FileRestorer::AddLarge(FileToRestore file) {
  HF_TRY(CheckStop(stop_));
  auto offsets = BlobOffsets(repository_.blobs(), file.content, file.attributes.size);
  if (!offsets) {
    if (!IsSingleObjectError(offsets.error())) return Fail(std::move(offsets).error());
    AddLost(file.path, offsets.error());
    return {};
  }
  LargeFile* large = nullptr;
  {
    std::lock_guard lock(mutex_);
    large = &large_.emplace_back();
  }
  large->file = std::move(file);
  large->offsets = *std::move(offsets);
  Worker& worker = *workers_.front();
  if (large->file.is_there) {
    HF_ASSIGN(large->old, worker.existing.OpenFile(large->file.target));
  }
  HF_ASSIGN(const bool is_done, BeginLarge(*large));
  if (is_done) {
    std::lock_guard lock(mutex_);
    large_.remove_if([large](const LargeFile& one) { return &one == large; });
    return {};
  }
  std::vector<bool> is_written(large->file.content.size());
  if (large->made->is_resumed()) {
    is_written =
        FindBlobsInFile(large->made->fd(), large->file.content, large->offsets, CoreCount());
  }
  std::vector<Batch> parts = CutLarge(*large, is_written);
  large->parts_left = parts.size();
  if (parts.empty()) return FinishLarge(worker, *large);
  for (Batch& part : parts) HF_TRY(Push(std::move(part)));
  return {};
}

// Returns whether the existing file is right. Otherwise begins the new one.
Result<bool> FileRestorer::BeginLarge(LargeFile& large) {
  const FileToRestore& file = large.file;
  Worker& worker = *workers_.front();
  struct stat status {};
  if (large.old.is_open() && fstat(large.old.get(), &status) == 0) {
    large.is_in_old = FindBlobsInFile(large.old.get(), file.content, large.offsets, CoreCount());
    const bool is_equal = static_cast<std::uint64_t>(status.st_size) == file.attributes.size &&
                          std::ranges::find(large.is_in_old, false) == large.is_in_old.end();
    if (is_equal) {
      HF_ASSIGN(const bool is_kept, KeepIfLike(worker, file, large.old.get(), status));
      if (is_kept) return true;
    }
  }
  large.is_in_old.resize(file.content.size());
  HF_ASSIGN(large.made, worker.writer.BeginResumable(
                            file.target, fmt::format("{}-{}-{:016x}", filetree::kPartPrefix,
                                                     options_.resumed_name, Fnv1a(file.target))));
  return false;
}

std::vector<FileRestorer::Batch> FileRestorer::CutLarge(LargeFile& large,
                                                        const std::vector<bool>& is_written) {
  std::vector<Batch> parts;
  for (std::size_t i = 0; i < is_written.size(); ++i) {
    const std::uint64_t bytes = large.offsets[i + 1] - large.offsets[i];
    if (is_written[i]) {
      progress_.AddUnchanged(bytes);
      continue;
    }
    large.bytes_to_write += bytes;
    if (parts.empty() || parts.back().bytes + bytes > kSmallFileBytes) {
      parts.emplace_back().large = &large;
    }
    parts.back().blobs.push_back(i);
    parts.back().bytes += bytes;
  }
  return parts;
}

Result<void> FileRestorer::WritePart(Worker& worker, const Batch& batch) {
  LargeFile& large = *batch.large;
  Result<void> written = WriteBlobs(batch);
  if (!written) {
    if (!IsSingleObjectError(written.error())) {
      return Fail(WhileReading(std::move(written).error(), large.file.path));
    }
    std::lock_guard lock(large.mutex);
    if (!large.lost) large.lost = std::move(written).error();
  }
  if (--large.parts_left > 0) return {};
  return FinishLarge(worker, large);
}

Result<void> FileRestorer::WriteBlobs(const Batch& batch) {
  const LargeFile& large = *batch.large;
  const std::vector<Id>& content = large.file.content;
  BlobBundle bundle(repository_);
  for (const std::size_t i : batch.blobs) {
    if (!large.is_in_old[i]) (void)bundle.Add(content[i]);
  }
  HF_TRY(bundle.Read());
  std::size_t next = 0;
  for (const std::size_t i : batch.blobs) {
    HF_TRY(CheckStop(stop_));
    const std::uint64_t begin = large.offsets[i];
    const std::uint64_t end = large.offsets[i + 1];
    Bytes bytes;
    bool is_unchanged = false;
    if (large.is_in_old[i]) {
      bytes = ReadBlobInFile(large.old.get(), content[i], begin, end);
      is_unchanged = !bytes.empty();
      if (bytes.empty()) {  // it has changed since
        HF_ASSIGN(bytes, repository_.blobs().LoadNeeded(BlobType::kData, content[i]));
      }
    } else {
      HF_ASSIGN(bytes, bundle.Open(next++));
    }
    // The offsets of all later blobs depend on the sizes in the index.
    if (bytes.size() != end - begin) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("data blob {} has {} bytes, but the index says {}", content[i].Hex(),
                              bytes.size(), end - begin));
    }
    HF_TRY(large.made->WriteAt(begin, bytes));
    Moved(bytes.size(), is_unchanged);
  }
  return {};
}

Result<void> FileRestorer::FinishLarge(Worker& worker, LargeFile& large) {
  std::optional<Error> lost;
  {
    std::lock_guard lock(large.mutex);
    lost = std::move(large.lost);
  }
  if (lost) {
    large.made->Discard();
    AddLost(large.file.path, *lost);
  } else {
    HF_TRY(large.made->Commit(large.file.attributes, options_.restore_owner, worker.warnings));
    Count(large.bytes_to_write, false);
  }
  std::lock_guard lock(mutex_);
  large_.remove_if([&large](const LargeFile& one) { return &one == &large; });
  return {};
}

}  // namespace holdfast::repository
