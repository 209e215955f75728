// Index files: JSON that lists the blobs in each pack. Layout: docs/repository-format.md#index.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/format/pack_contents.h"

namespace holdfast::repository {

// A writer ends an index file at this many blobs. The file lists whole packs, and should not be
// much larger than readers expect.
inline constexpr std::size_t kIndexBlobsMax = 50'000;

std::string EncodeIndexFile(std::span<const PackContents> packs);

// Calls `visit` once per pack, without building the whole document in memory. Ignores unknown
// fields. On kCorrupt, the visitor may already have seen packs.
Result<void> DecodeIndexFile(ByteView text, const std::function<void(PackContents)>& visit);

}  // namespace holdfast::repository
