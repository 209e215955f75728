// Items: what a source provides and the repository stores.
//
// This room holds the values that flow between sources and repositories: items (this header),
// attributes.h, manifest.h, and snapshot_view.h, through which a source reads a snapshot. It knows
// neither side: sources and repositories depend on it, never on each other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "common/base/result.h"
#include "common/stream/attributes.h"

namespace holdfast {

// A stream of content. Used by one thread at a time, not necessarily the one that created it.
class ByteReader {
 public:
  virtual ~ByteReader() = default;
  // Fills `buffer` from its start and returns the number of bytes read. A short read is not the
  // end; 0 is. After an error the reader cannot be used any more.
  virtual Result<std::size_t> Read(std::span<std::uint8_t> buffer) = 0;
  // What reading to the end has shown. REQUIRES: Read() has returned 0.
  struct Outcome {
    std::optional<Attributes> attributes;  // if set, replace the item's, e.g. final size and mtime
    bool changed = false;                  // the content changed while it was read
  };
  virtual Result<Outcome> Finish() { return Outcome{}; }
  // Bytes of memory that ReadAhead() takes; 0 if it does nothing. Only small content that does not
  // depend on other reads can be read ahead.
  virtual std::size_t ReadAheadBytes() const { return 0; }
  // Fetches what Read() will return, errors included. May be called once, before Read(), on another
  // thread.
  virtual void ReadAhead() {}
};

// How content is split into blobs.
struct Chunking {
  enum class Kind : std::uint8_t {
    kContent,  // boundaries depend on the content, so insertions move them along
    kFixed,    // every `block_bytes`; for page-structured files such as etcd's and SQLite's
  };
  Kind kind = Kind::kContent;
  std::uint32_t block_bytes = 0;  // kFixed: a multiple of 4096, at most 8 MiB

  static Chunking Content() { return {}; }
  static Chunking Fixed(std::uint32_t block_bytes) { return {Kind::kFixed, block_bytes}; }
};

// The entry at a path of a snapshot; from SnapshotView::Find().
class SnapshotEntry {
 public:
  virtual ~SnapshotEntry() = default;
  virtual const Attributes& attributes() const = 0;
  virtual std::size_t bytes() const = 0;  // memory use, approximate
};

// Content identical to `path` in the previous snapshot, which is neither read nor hashed again.
// `read` opens the content in case the repository has lost a blob of it; may be empty for
// directories.
struct Reuse {
  std::string path;  // relative to the previous snapshot's top, like Item::path
  std::function<Result<std::unique_ptr<ByteReader>>()> read;
  // The previous snapshot's entry, if the source has looked it up; otherwise the writer does.
  std::unique_ptr<const SnapshotEntry> entry = nullptr;
};

// Items arrive depth-first: a directory comes first, then all of its content, then its next
// sibling. Siblings may come in any order. Directories without an item get default attributes.
struct Item {
  // Relative to the snapshot's top: components separated by single `/`, none of them empty, "." or
  // "..", e.g. "data/snapshot.db". Raw bytes.
  std::string path;
  Attributes attributes;
  Chunking chunking;
  // Only files have content; a file without any is empty. A reused directory includes all below it.
  std::variant<std::monostate, std::unique_ptr<ByteReader>, Reuse> content;
  // An interrupted run saved this content. The repository probably has its blobs, so the content is
  // not read ahead.
  bool was_saved = false;
  // If the content cannot be read: when true, the whole part fails; when false, the part names the
  // item as left out, and the rest is saved.
  bool required = true;
};

}  // namespace holdfast
