// Reads a bbolt database, etcd's file format (https://github.com/etcd-io/bbolt, page.go, bucket.go,
// db.go): a B+tree of pages and two meta pages, of which the newer valid one counts. Reads only the
// pages on the path to the requested data. A damaged or hostile file gives kCorrupt.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::etcd {

class BoltFile {
 public:
  // Fills the span from the file at the offset, or fails.
  using ReadAt = std::function<Result<void>(std::uint64_t, std::span<std::uint8_t>)>;
  // Views are valid during the call. Return false to stop.
  using Visit = std::function<Result<bool>(ByteView key, ByteView value)>;

  static Result<BoltFile> Open(ReadAt read, std::uint64_t size_bytes);

  // Visits the entries of a top-level bucket by ascending key; none if the bucket does not exist.
  Result<void> ForEach(std::string_view bucket, const Visit& visit) const;
  // nullopt if the bucket or key does not exist.
  Result<std::optional<Bytes>> Get(std::string_view bucket, std::string_view key) const;
  // nullopt if the bucket does not exist or is empty.
  Result<std::optional<Bytes>> LastKey(std::string_view bucket) const;

  std::uint32_t page_bytes() const { return page_bytes_; }
  std::uint64_t transaction() const { return transaction_; }

 private:
  struct Page;
  struct Entry {
    bool is_bucket = false;
    ByteView key;
    ByteView value;
  };
  using VisitEntry = std::function<Result<bool>(const Entry&)>;

  BoltFile(ReadAt read, std::uint64_t size_bytes) : read_(std::move(read)), size_(size_bytes) {}
  Result<void> ReadMeta(std::uint64_t offset);
  Result<Page> ReadPage(std::uint64_t id) const;
  static Result<Page> ParsePage(Bytes bytes);
  Result<bool> Walk(const Page& page, int depth, std::uint64_t& pages_left,
                    const VisitEntry& visit) const;
  // The root page of a bucket. A small bucket is stored inline in its entry.
  Result<std::optional<Page>> BucketRoot(std::string_view name) const;

  ReadAt read_;
  std::uint64_t size_;
  std::uint32_t page_bytes_ = 0;
  std::uint64_t root_ = 0;
  std::uint64_t transaction_ = 0;
  bool has_meta_ = false;
};

}  // namespace holdfast::etcd
