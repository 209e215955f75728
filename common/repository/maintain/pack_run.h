// Reads many blobs of one pack with few requests.
#pragma once

#include <functional>
#include <span>
#include <stop_token>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/format/pack_contents.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

// Calls `visit` with the sealed bytes of each of `blobs`, which must be in the order of their
// offsets. Blobs that are close together are read in one request of up to 4 MiB, gaps included.
// Errors are the storage's, with the pack's path; kCancelled; and the visitor's, unchanged.
Result<void> ReadBlobsOfPack(
    Storage& storage, const Id& pack, std::span<const PackContents::Blob> blobs,
    const std::function<Result<void>(const PackContents::Blob&, ByteView sealed)>& visit,
    const std::stop_token& stop);

}  // namespace holdfast::repository
