// Reads archives that TarWriter wrote, as a stream, and trusts nothing in them.
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
  char type = '0';     // ustar's: '0' file, '1' hard link, '2' symlink, '3' and '4' devices,
                       // '5' directory, '6' fifo; 'g': a comment that belongs to no entry
  std::string path;    // as in the archive, but without a directory's trailing slash
  std::string target;  // of '1' and '2'
  std::uint64_t size = 0;
  std::string comment;
};

// Supports only ustar with pax records. Used by one thread.
class TarReader {
 public:
  // Reads up to the buffer's size and returns the number of bytes; 0 at the end.
  using Read = std::function<Result<std::size_t>(std::span<std::uint8_t>)>;
  explicit TarReader(Read read) : read_(std::move(read)) {}

  // The next entry; nullopt at the end of the archive, if only zeros follow until the stream ends.
  // kCorrupt for a torn or malformed archive, kUnsupported for other dialects of tar. REQUIRES: the
  // previous entry's content was read.
  Result<std::optional<TarEntry>> Next();
  // Fills `buffer` with the next bytes of the entry's content. REQUIRES: buffer.size() <= left().
  Result<void> Data(std::span<std::uint8_t> buffer);
  // Bytes of the entry's content that were not read yet.
  std::uint64_t left() const { return left_; }

 private:
  Result<void> Fill(std::span<std::uint8_t> buffer);
  Result<void> SkipPadding();
  Result<std::string> TakeRecords(std::uint64_t size);
  Result<std::optional<TarEntry>> End();

  const Read read_;
  std::uint64_t left_ = 0;
  std::uint64_t padding_ = 0;  // after the content
};

}  // namespace holdfast
