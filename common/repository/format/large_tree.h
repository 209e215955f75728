// Tree blobs of directories with hundreds of thousands of entries. Their text would take hundreds
// of megabytes, so it is never in memory as a whole: it is hashed and compressed while it grows,
// and split into nodes while it is decompressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/raw_buffer.h"
#include "common/base/result.h"
#include "common/crypto/seal.h"
#include "common/crypto/sha256.h"
#include "common/repository/format/compressor.h"
#include "common/repository/format/types.h"

namespace holdfast::repository {

// The text of tree blobs of this size or more is not held in memory.
inline constexpr std::uint64_t kLargeTreeBytes = 16U << 20;

// A tree blob that is built by appending. Memory: its compressed size, about a quarter.
class GrowingTree {
 public:
  explicit GrowingTree(Compression compression) : frame_(compression, crypto::kSealIvBytes) {}

  void Add(std::string_view text);
  std::uint64_t bytes() const { return bytes_; }

  struct Finished {
    Id id;
    std::uint64_t bytes = 0;  // of the text
    RawBuffer frame;          // after kSealIvBytes of room, for sealing in place
  };
  // Nothing can be added after this or TakeText().
  Finished Finish();
  // The text, for a caller that has to start over.
  Bytes TakeText();

 private:
  crypto::Sha256 hash_;
  FrameBuilder frame_;
  std::uint64_t bytes_ = 0;
};

// Splits the text of a tree blob, which arrives in pieces, into nodes. Memory: one node.
class TreeSplitter {
 public:
  using Visit = std::function<Result<void>(std::string_view node)>;
  // Calls `visit` with the text of each node's object, without parsing it. kCorrupt unless the text
  // is an object with a list "nodes" of objects. Also returns the visitor's errors.
  Result<void> Add(ByteView piece, const Visit& visit);
  // kCorrupt if the text is incomplete, or had no "nodes".
  Result<void> Finish() const;

 private:
  enum class State : std::uint8_t {
    kBegin,
    kField,  // or the end; after a comma only a field
    kName,   // of a field
    kColon,
    kValue,
    kScalar,     // a number, true, false or null
    kText,       // a string value
    kSkipped,    // in an object or list that is skipped
    kNext,       // a comma or the end of the outer object
    kFirstNode,  // or the end of the list
    kNode,       // the beginning of one
    kInNode,
    kAfterNode,  // a comma or the end of the list
    kEnd,
  };
  Result<void> Take(char c);
  void BeginValue(char c);
  // Scans text between quotes; returns whether `c` ends it.
  bool EndsText(char c);
  // Scans an object or list; returns whether `c` ends the outermost.
  bool EndsNested(char c);
  std::unexpected<Error> Bad() const;

  State state_ = State::kBegin;
  bool has_nodes_ = false;
  bool needs_field_ = false;
  bool is_in_text_ = false;
  bool is_escaped_ = false;
  std::size_t depth_ = 0;
  std::uint64_t at_ = 0;  // bytes so far
  std::string text_;      // of the node, or of the field's name
};

}  // namespace holdfast::repository
