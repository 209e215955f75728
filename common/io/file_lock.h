// A lock between processes: a file with flock(2) that names its holder.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

// Held while the object lives; the kernel releases it when the process dies.
class FileLock {
 public:
  // Takes the lock at once or fails: kBusy, with the holder's description of itself. Writes
  // `holder` (one line) into the file. Creates the file's directory if it is missing.
  static Result<FileLock> Acquire(const std::string& path, const std::string& holder);
  // Whether a process holds the lock; kNotFound without a file.
  static Result<bool> IsHeld(const std::string& path);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace holdfast
