// Large files that appear whole, under a name that nobody had.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

// Written under a name that begins with a dot; goes with the object unless it was published.
class NewFile {
 public:
  // `directory` must be there.
  static Result<NewFile> Create(const std::string& directory, unsigned mode);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  Result<void> Write(ByteView bytes);
  // Makes it durable under the first of "<stem><ending>", "<stem>_1<ending>", "<stem>_2<ending>"
  // ... that is free, and returns its path. What is there is never replaced. REQUIRES: called once.
  Result<std::string> Publish(const std::string& stem, const std::string& ending);

 private:
  NewFile(std::string directory, std::string path, Fd fd)
      : directory_(std::move(directory)), path_(std::move(path)), fd_(std::move(fd)) {}
  std::string directory_;
  std::string path_;  // empty: there is none to remove
  Fd fd_;
};

}  // namespace holdfast
