// Reads many blobs of one pack with few requests.
#pragma once

#include <functional>
#include <span>
#include <stop_token>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/repository.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

// Calls `visit` with the sealed bytes of each of `blobs`, which are some of the pack's by ascending
// place. Blobs that lie close together are read in one go, with what is between them, up to 4 MiB
// at once. Errors are the storage's, with the pack's path, kCancelled, and the visitor's as they
// are.
Result<void> ReadBlobsOfPack(
    Storage& storage, const Id& pack, std::span<const PackContents::Blob> blobs,
    const std::function<Result<void>(const PackContents::Blob&, ByteView sealed)>& visit,
    const std::stop_token& stop);

}  // namespace holdfast::repository
