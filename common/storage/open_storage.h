// Opens a storage by its URL, with retries and rate limits.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "common/base/rate_limit.h"
#include "common/base/result.h"
#include "common/storage/retry_storage.h"
#include "common/storage/s3_settings.h"
#include "common/storage/storage.h"

namespace holdfast {

// Location of a storage, and the settings to access it.
struct StorageAddress {
  std::string url;
  s3::Settings s3 = {};  // for an "s3:" URL
  // How long to try a server that has never answered, since a wrong endpoint never will. Unset: as
  // long as one that has.
  std::optional<std::chrono::nanoseconds> first_answer_within = std::nullopt;
  // How fast content may be read and written.
  RateLimits read_limits;
  RateLimits write_limits;
};

// Opens the storage at "file:/absolute/path" or "s3:https://host/bucket/prefix". Retries temporary
// failures: with S3 for 15 minutes, with a directory (ESTALE and similar errors of network file
// systems) for some seconds. `stop` ends only these waits, with kCancelled, so that cleanup is
// still possible. Accesses nothing yet. kInvalidArgument for an unknown form of URL, kUnsupported
// for a known scheme that this build does not support. `notice` may be empty.
Result<std::unique_ptr<Storage>> OpenStorage(const StorageAddress& address,
                                             std::stop_token stop = {}, RetryNotice notice = {});

// The same as a function, so that tests can use storages in memory.
using StorageOpener =
    std::function<Result<std::unique_ptr<Storage>>(const StorageAddress& address)>;
StorageOpener MakeStorageOpener(std::stop_token stop = {}, RetryNotice notice = {});

}  // namespace holdfast
