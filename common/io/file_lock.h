// A lock between processes: a file with flock(2) that says who holds it.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

// Held while the object lives; the kernel frees it when the process dies.
class FileLock {
 public:
  // Takes the lock at once or fails: kBusy, naming what the holder wrote of itself. Writes `holder`
  // (one line) into the file. The file's directory is made where it is missing.
  static Result<FileLock> Acquire(const std::string& path, const std::string& holder);
  // Whether somebody holds it; kNotFound without a file.
  static Result<bool> IsHeld(const std::string& path);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace holdfast
