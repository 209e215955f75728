// Reads blobs that are needed together.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/store/repository.h"

namespace holdfast::repository {

// Reads blobs that are close together in a pack in one request, which is common for files saved one
// after another. Memory: all their sealed bytes. Used by one thread at a time.
class BlobBundle {
 public:
  explicit BlobBundle(Repository& repository) : repository_(repository) {}

  // Returns the blob's number: 0, 1, 2 ...
  std::size_t Add(const Id& blob);
  // Reads all blobs. Fails only if the storage does; Open() reports damaged and missing blobs.
  Result<void> Read();
  // The verified plaintext. Errors as for BlobStore::LoadNeeded(). REQUIRES: Read().
  Result<Bytes> Open(std::size_t number);

 private:
  struct Blob {
    Id id;
    std::optional<BlobLocation> location;
    std::size_t range = 0;  // index in ranges_; `begin` is the offset there
    std::size_t begin = 0;
  };
  struct Range {
    Id pack;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    Bytes sealed;  // empty if it could not be read
  };
  void MakeRanges();

  Repository& repository_;
  std::vector<Blob> blobs_;
  std::vector<Range> ranges_;
};

}  // namespace holdfast::repository
