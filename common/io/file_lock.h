// A lock between processes: a file with flock(2) that names its holder.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

// Held while the object lives; the kernel releases it when the process dies.
class FileLock {
 public:
  FileLock(FileLock&&) = default;
  FileLock& operator=(FileLock&&) = default;
  ~FileLock();

  // Takes the lock at once or fails: kBusy, with the holder's description of itself. Writes
  // `holder` (one line) into the file. Creates the file's directory if it is missing.
  static Result<FileLock> Acquire(const std::string& path, const std::string& holder);
  // The same in an open directory, which other users may share. A process that may only read the
  // file locks it without a description. kDenied if the file is missing and cannot be created.
  // Errors name `shown`.
  static Result<FileLock> AcquireAt(int directory, const std::string& name,
                                    const std::string& holder, const std::string& shown);
  // Whether a process holds the lock; kNotFound without a file.
  static Result<bool> IsHeld(const std::string& path);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  static Result<FileLock> Lock(Fd fd, const std::string& holder, const std::string& shown);

  Fd fd_;
};

}  // namespace holdfast
