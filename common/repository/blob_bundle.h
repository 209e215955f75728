// Blobs that are needed together, read together.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

// What lies near to each other in a pack is read by one request, since files that were saved one
// after another lie there so. Memory: the sealed bytes of all of them. One thread at a time.
class BlobBundle {
 public:
  explicit BlobBundle(Repository& repository) : repository_(repository) {}

  // Returns the blob's number: 0, 1, 2 ...
  std::size_t Add(const Id& blob);
  // Reads all of them. Only the errors of a storage that cannot be had; what is damaged is told
  // by Open().
  Result<void> Read();
  // The plaintext, verified. Errors are of LoadNeededBlob(). REQUIRES: Read().
  Result<Bytes> Open(std::size_t number);

 private:
  struct Blob {
    Id id;
    std::optional<BlobLocation> location;
    std::size_t range = 0;  // number in ranges_, and its place there
    std::size_t begin = 0;
  };
  struct Range {
    Id pack;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    Bytes sealed;  // empty where it cannot be had
  };
  void MakeRanges();

  Repository& repository_;
  std::vector<Blob> blobs_;
  std::vector<Range> ranges_;
};

}  // namespace holdfast::repository
