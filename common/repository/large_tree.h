// Tree blobs of directories with hundreds of thousands of entries, of which neither the writer nor
// the reader holds the text: it would take hundreds of megabytes. They are hashed and compressed
// while they grow, and cut into nodes while they are decompressed.
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
#include "common/repository/compressor.h"
#include "common/repository/types.h"

namespace holdfast::repository {

// A tree blob's text from here on is not held in memory.
inline constexpr std::uint64_t kLargeTreeBytes = 16U << 20;

// A tree blob that grows at its end. Memory: what it takes compressed, about a quarter.
class GrowingTree {
 public:
  explicit GrowingTree(Compression compression) : frame_(compression, crypto::kSealIvBytes) {}

  void Add(std::string_view text);
  std::uint64_t bytes() const { return bytes_; }

  struct Finished {
    Id id;
    std::uint64_t bytes = 0;  // of the text
    RawBuffer frame;          // after kSealIvBytes of room, so that it can be sealed where it is
  };
  // Nothing can be added any more, here and below.
  Finished Finish();
  // The text, for who has to begin anew.
  Bytes TakeText();

 private:
  crypto::Sha256 hash_;
  FrameBuilder frame_;
  std::uint64_t bytes_ = 0;
};

// Cuts the text of a tree blob, that comes in pieces, into nodes. Memory: one node.
class TreeSplitter {
 public:
  using Visit = std::function<Result<void>(std::string_view node)>;
  // `visit` is called with the text of each node's object, which is not looked into. kCorrupt for
  // what is no object with a list "nodes" of objects; the visitor's error.
  Result<void> Add(ByteView piece, const Visit& visit);
  // kCorrupt when the text has not come to its end.
  Result<void> Finish() const;

 private:
  enum class State : std::uint8_t {
    kBegin,
    kField,  // or the end; after a comma only a field
    kName,   // of a field
    kColon,
    kValue,
    kScalar,     // a value that is none of the others
    kText,       // a value
    kSkipped,    // in an object or a list that nobody wants
    kNext,       // a comma or the end of the outer object
    kFirstNode,  // or the end of the list
    kNode,       // the begin of one
    kInNode,
    kAfterNode,  // a comma or the end of the list
    kEnd,
  };
  Result<void> Take(char c);
  void BeginValue(char c);
  // Of text between quotes; whether `c` ended it.
  bool EndsText(char c);
  // In an object or a list; whether `c` ended the outermost.
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
