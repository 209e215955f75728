// Writes a tar archive as a stream: POSIX.1-2001 (pax), which every current tar reads.
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

// Optional properties of an entry.
struct TarExtras {
  std::string_view link_to;  // path of an earlier entry that the file is a hard link to
  std::string_view comment;  // ignored by programs that unpack the archive
};

// The type of a node's entry. tar does not know sockets: they are written by Comment().
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
// attributes) are written in pax records before it. Used by one thread.
class TarWriter {
 public:
  // Receives the archive's bytes piece by piece. The call that caused an error returns it.
  using Write = std::function<Result<void>(ByteView)>;
  explicit TarWriter(Write write) : write_(std::move(write)) {}

  // Begins an entry; `path` has no slash at either end. Data() must follow with `attributes.size`
  // bytes for a file, and with none for a hard link. kUnsupported for a socket; kCorrupt if the
  // previous file is incomplete.
  Result<void> Begin(const std::string& path, const Attributes& attributes,
                     const TarExtras& extras = {});
  // Writes a comment that belongs to no entry. kCorrupt as above.
  Result<void> Comment(std::string_view text);
  // kCorrupt if the file would exceed its size.
  Result<void> Data(ByteView bytes);
  // Ends the archive. kCorrupt as above.
  Result<void> Finish();

 private:
  Result<void> EndFile();
  Result<void> Records(char type, std::string_view records);
  Result<void> Block(ByteView bytes);

  const Write write_;
  std::string path_;         // of the current file
  std::uint64_t left_ = 0;   // bytes of its content still to come
  std::uint64_t bytes_ = 0;  // written so far
};

}  // namespace holdfast
