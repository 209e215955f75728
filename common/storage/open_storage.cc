#include "common/storage/open_storage.h"

#include <string_view>
#include <utility>

#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/base/random.h"
#include "common/storage/limited_storage.h"
#include "common/storage/posix_storage.h"
#include "common/storage/s3_storage.h"

namespace holdfast {
namespace {

const SystemClock& RealClock() {
  static const SystemClock clock;
  return clock;
}

// Each try counts, whatever its result.
std::unique_ptr<Storage> Limited(std::unique_ptr<Storage> inner, const StorageAddress& address,
                                 const std::stop_token& stop) {
  if (address.read_limits.empty() && address.write_limits.empty()) return inner;
  return std::make_unique<LimitedStorage>(std::move(inner), address.read_limits,
                                          address.write_limits, PauseUntilStopped(stop));
}

std::unique_ptr<Storage> WithRetry(std::unique_ptr<Storage> inner, const RetryPolicy& policy,
                                   std::stop_token stop, RetryNotice notice) {
  static SystemRandom random;
  return std::make_unique<RetryStorage>(std::move(inner), policy, RealClock(), random,
                                        PauseUntilStopped(std::move(stop)), std::move(notice));
}

constexpr std::string_view kUrlForms =
    "write it as \"file:/srv/backup/main\" or \"s3:https://host/bucket/prefix\"";

}  // namespace

Result<std::unique_ptr<Storage>> OpenStorage(const StorageAddress& address, std::stop_token stop,
                                             RetryNotice notice) {
  const std::string& url = address.url;
  const std::size_t colon = url.find(':');
  const std::string scheme = url.substr(0, colon == url.npos ? 0 : colon);
  if (scheme == "file") {
    std::string path = url.substr(colon + 1);
    if (!path.starts_with('/') || path.find('\0') != path.npos) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} does not name an absolute path", Quote(url)),
                  "write it as \"file:/srv/backup/main\"");
    }
    // A restarted file server is back after a moment; a broken disk stays broken.
    constexpr RetryPolicy kSoon{.first = std::chrono::milliseconds(100),
                                .longest = std::chrono::seconds(1),
                                .total = std::chrono::seconds(5)};
    return WithRetry(Limited(std::make_unique<PosixStorage>(std::move(path)), address, stop), kSoon,
                     stop, std::move(notice));
  }
  if (scheme == "s3") {
    s3::StorageOptions options{.clock = &RealClock()};
    RetryPolicy policy;
    if (address.first_answer_within) {
      // A try may take this long to connect, and as long again to detect a stall. The last one must
      // end in time.
      const auto once = *address.first_answer_within / 5;
      options.first_answer_timeout = std::chrono::ceil<std::chrono::milliseconds>(once);
      policy.total_before_first_answer = *address.first_answer_within - 2 * once;
    }
    HF_ASSIGN(std::unique_ptr<Storage> storage, s3::S3Storage::Open(url, address.s3, options));
    return WithRetry(Limited(std::move(storage), address, stop), policy, stop, std::move(notice));
  }
  for (std::string_view known : {"azure", "gs", "b2", "sftp", "rest", "rclone", "swift"}) {
    if (scheme != known) continue;
    return Fail(ErrorCode::kUnsupported,
                fmt::format("storage of kind \"{}\" is not built into this version", scheme),
                std::string(kUrlForms));
  }
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is not a storage URL", Quote(url)),
              url.starts_with('/') ? fmt::format("write it as {}", Quote("file:" + url))
                                   : std::string(kUrlForms));
}

StorageOpener MakeStorageOpener(std::stop_token stop, RetryNotice notice) {
  return [stop = std::move(stop), notice = std::move(notice)](const StorageAddress& address) {
    return OpenStorage(address, stop, notice);
  };
}

}  // namespace holdfast
