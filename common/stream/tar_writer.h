// A tar archive, written as it comes: POSIX.1-2001 (pax), which every tar of today reads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/stream/attributes.h"

namespace holdfast {

// What an entry may have besides.
struct TarExtras {
  std::string_view link_to = {};  // a path before: this file is another name of that one
  std::string_view comment = {};  // for who knows of it; programs that unpack pass over it
};

// What the entry of such a node has for its type. tar knows no sockets: theirs is a Comment().
constexpr char TarTypeOf(NodeType type) {
  switch (type) {
    case NodeType::kFile:
      return '0';
    case NodeType::kSymlink:
      return '2';
    case NodeType::kCharDevice:
      return '3';
    case NodeType::kBlockDevice:
      return '4';
    case NodeType::kDirectory:
      return '5';
    case NodeType::kFifo:
      return '6';
    case NodeType::kSocket:
      return 'g';
  }
  return 0;
}

// Fields that ustar's header cannot hold (long names, nanoseconds, large numbers, extended
// attributes) stand in pax records before it. Used by one thread.
class TarWriter {
 public:
  // Told of the archive's bytes piece by piece; its error is that of the call that caused it.
  using Write = std::function<Result<void>(ByteView)>;
  explicit TarWriter(Write write) : write_(std::move(write)) {}

  // The next entry, a path without a slash at either end. After a file's come `attributes.size`
  // bytes of Data(), after another name's none. kUnsupported for a socket; kCorrupt when the file
  // before got less.
  Result<void> Begin(const std::string& path, const Attributes& attributes,
                     const TarExtras& extras = {});
  // A comment that belongs to no entry. kCorrupt as above.
  Result<void> Comment(std::string_view text);
  // kCorrupt for more than the file is to have.
  Result<void> Data(ByteView bytes);
  // The end of the archive. kCorrupt as above.
  Result<void> Finish();

 private:
  Result<void> EndFile();
  Result<void> Records(char type, std::string_view records);
  Result<void> Block(ByteView bytes);

  const Write write_;
  std::string path_;         // of the file that is being written
  std::uint64_t left_ = 0;   // of its content
  std::uint64_t bytes_ = 0;  // of the archive so far
};

}  // namespace holdfast
