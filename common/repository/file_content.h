// A file's content as the list of blobs that a snapshot has for it, and what of it exists.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/repository/repository.h"
#include "common/repository/types.h"

namespace holdfast::repository {

// Where each blob begins in the file, and where the last one ends. kCorrupt for a blob that the
// index lacks, and for blobs that are not `size` bytes together.
Result<std::vector<std::uint64_t>> BlobOffsets(Repository& repository, std::span<const Id> blobs,
                                               std::uint64_t size);

// Says that the blobs of a file hold `bytes` where its attributes say `size`.
Error SizeMismatch(std::uint64_t bytes, std::uint64_t size);

// The blobs, by their number, that lie in the open file at their place: hashed, on up to `threads`
// threads. What cannot be read is not there.
std::vector<bool> FindBlobsInFile(int file, std::span<const Id> blobs,
                                  std::span<const std::uint64_t> offsets, unsigned threads);

// One of them, if it exists: its bytes, else none.
Bytes ReadBlobInFile(int file, const Id& blob, std::uint64_t begin, std::uint64_t end);

}  // namespace holdfast::repository
