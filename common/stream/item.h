// The value that flows from a source to the repository: one file-like thing.
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

// Where content comes from. Used by one thread at a time, not necessarily the one that made it.
class ByteReader {
 public:
  virtual ~ByteReader() = default;
  // Fills `buffer` from its front and returns how many bytes it put there; fewer than asked for is
  // no end, 0 is. After an error the reader is finished.
  virtual Result<std::size_t> Read(std::span<std::uint8_t> buffer) = 0;
  // What became known by reading to the end. REQUIRES: Read() has returned 0.
  struct Outcome {
    std::optional<Attributes> attributes;  // replace the item's, e.g. size and mtime as of the end
    bool changed = false;                  // the content changed while it was read
  };
  virtual Result<Outcome> Finish() { return Outcome{}; }
  // For content that is small and independent of what else is read: how many bytes of memory
  // ReadAhead() takes; 0 where it does nothing.
  virtual std::size_t BytesAhead() const { return 0; }
  // May be called once, before Read(), on another thread: gets what Read() will give. An error
  // becomes that of Read().
  virtual void ReadAhead() {}
};

// How content is cut into blobs.
struct Chunking {
  enum class Kind : std::uint8_t {
    kContent,  // borders depend on the bytes, so that inserts move them along
    kFixed,    // every `block_bytes`: page-structured files such as etcd's and SQLite's
  };
  Kind kind = Kind::kContent;
  std::uint32_t block_bytes = 0;  // kFixed: a multiple of 4096, at most 8 MiB

  static Chunking Content() { return {}; }
  static Chunking Fixed(std::uint32_t block_bytes) { return {Kind::kFixed, block_bytes}; }
};

// What a snapshot has at a path; from SnapshotView::Find().
class SnapshotEntry {
 public:
  virtual ~SnapshotEntry() = default;
  virtual const Attributes& attributes() const = 0;
  virtual std::size_t bytes() const = 0;  // of memory, about
};

// "Identical to `path` of the previous snapshot": neither read nor hashed again. `read` opens the
// content for the case that the repository has lost a blob of it; may be empty for directories.
struct Reuse {
  std::string path;  // relative to the previous snapshot's top, like Item::path
  std::function<Result<std::unique_ptr<ByteReader>>()> read;
  // What the previous snapshot has there, of whoever has looked already; else whoever saves looks.
  std::unique_ptr<const SnapshotEntry> entry = nullptr;
};

// Items arrive depth-first: a directory before what lies in it, all of it before anything else.
// Siblings may come in any order. Directories that were not announced get default attributes.
struct Item {
  // Relative to the snapshot's top, components separated by single `/`, none of them empty, "." or
  // "..": e.g. "data/snapshot.db". Raw bytes.
  std::string path;
  Attributes attributes;
  Chunking chunking;
  // Files only; a file without content is empty. A reused directory stands for all below it.
  std::variant<std::monostate, std::unique_ptr<ByteReader>, Reuse> content;
  // An interrupted run saved this very content: whoever stores it may know where it lies, so there
  // is no use in reading it ahead.
  bool was_saved = false;
  // When the content of an item that is not required cannot be read, the item is left out, the part
  // names it, and the rest is saved; otherwise the whole part fails.
  bool required = true;
};

}  // namespace holdfast
