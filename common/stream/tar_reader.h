// Reads the archives that TarWriter writes, piece by piece, and trusts nothing in them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast {

struct TarEntry {
  char type = '0';     // ustar's: '0' file, '1' another name of a file, '2' symlink, '3' and '4'
                       // devices, '5' directory, '6' fifo; 'g': a comment that belongs to no entry
  std::string path;    // as it stands there, without the slash that a directory's ends in
  std::string target;  // of '1' and '2'
  std::uint64_t size = 0;
  std::string comment;
};

// ustar with pax records, no other dialect. Used by one thread.
class TarReader {
 public:
  // Up to as many bytes as there is room for; 0 at the end.
  using Read = std::function<Result<std::size_t>(std::span<std::uint8_t>)>;
  explicit TarReader(Read read) : read_(std::move(read)) {}

  // nullopt at the end of the archive, once the stream has ended and nothing but zeros stood behind
  // it. kCorrupt for what is torn or no archive, kUnsupported for other dialects. REQUIRES: the
  // content of the entry before was read.
  Result<std::optional<TarEntry>> Next();
  // The next bytes of the entry's content, all that there is room for. REQUIRES: there are so many.
  Result<void> Data(std::span<std::uint8_t> buffer);
  // Bytes of content that were not read yet.
  std::uint64_t left() const { return left_; }

 private:
  Result<void> Fill(std::span<std::uint8_t> buffer);
  Result<void> SkipPadding();
  Result<std::string> TakeRecords(std::uint64_t size);
  Result<std::optional<TarEntry>> End();

  const Read read_;
  std::uint64_t left_ = 0;
  std::uint64_t padding_ = 0;  // behind the content
};

}  // namespace holdfast
