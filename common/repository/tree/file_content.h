// A file's content as the list of its blobs, and which of them an existing file has.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/result.h"
#include "common/repository/format/types.h"
#include "common/repository/store/blob_store.h"

namespace holdfast::repository {

// The offset of each blob in the file, and the end of the last one. kCorrupt if the index does not
// have a blob, or if the blobs do not add up to `size`.
Result<std::vector<std::uint64_t>> BlobOffsets(BlobStore& store, std::span<const Id> blobs,
                                               std::uint64_t size);

// The error for a file whose blobs have `bytes`, but whose attributes say `size`.
Error SizeMismatch(std::uint64_t bytes, std::uint64_t size);

// Which blobs, by number, the open file has at their offsets. Reads and hashes on up to `threads`
// threads. What cannot be read counts as absent.
std::vector<bool> FindBlobsInFile(int file, std::span<const Id> blobs,
                                  std::span<const std::uint64_t> offsets, unsigned threads);

// The bytes of one blob; empty if the file does not have it there.
Bytes ReadBlobInFile(int file, const Id& blob, std::uint64_t begin, std::uint64_t end);

}  // namespace holdfast::repository
