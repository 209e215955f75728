// Index files: JSON that says which blobs lie in which pack. Layout:
// docs/repository-format.md#index.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

// A writer closes an index file at so many blobs: it holds whole packs, and should not grow far
// beyond what readers are used to.
inline constexpr std::size_t kIndexBlobsMax = 50'000;

std::string EncodeIndexFile(std::span<const PackContents> packs);

// Calls `visit` once per pack, without ever holding the whole document as a tree of values. Unknown
// fields pass. kCorrupt; the visitor may have seen packs by then.
Result<void> DecodeIndexFile(ByteView text, const std::function<void(PackContents)>& visit);

}  // namespace holdfast::repository
