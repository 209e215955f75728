// Large files that appear complete, under a name that did not exist.
#pragma once

#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

// Written under a name that begins with a dot; removed with the object unless it is published.
class NewFile {
 public:
  // `directory` must exist.
  static Result<NewFile> Create(const std::string& directory, unsigned mode);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  Result<void> Write(ByteView bytes);
  // Makes it durable under the first of "<stem><ending>", "<stem>_1<ending>", "<stem>_2<ending>"
  // ... that does not exist, and returns its path. Never replaces a file. REQUIRES: called once.
  Result<std::string> Publish(const std::string& stem, const std::string& ending);

 private:
  NewFile(std::string directory, std::string path, Fd fd)
      : directory_(std::move(directory)), path_(std::move(path)), fd_(std::move(fd)) {}
  std::string directory_;
  std::string path_;  // empty: nothing to remove
  Fd fd_;
};

}  // namespace holdfast
