// When a writer makes an index file of the packs that it has finished.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "common/base/clock.h"
#include "common/repository/index_file.h"

namespace holdfast::repository {

// What no index names is lost to the next run when the writer is killed: at most a minute's work,
// and, however fast that is, a small part of all that was written. A part and not an amount,
// because everybody who opens the repository reads every index file: one for each some hundred
// megabytes would be thousands of them. One thread at a time.
class IndexSchedule {
 public:
  static constexpr std::chrono::minutes kInterval{1};
  static constexpr std::uint64_t kPart = 32;
  static constexpr std::uint64_t kBytesMin = 256U << 20;

  explicit IndexSchedule(Instant now) : last_(now) {}

  // A finished pack of so many bytes.
  void Add(std::uint64_t bytes, std::size_t blobs) {
    written_ += bytes;
    unnamed_ += bytes;
    blobs_ += blobs;
  }
  bool IsDue(Instant now) const {
    return blobs_ >= kIndexBlobsMax || now - last_ >= kInterval ||
           unnamed_ >= std::max(kBytesMin, written_ / kPart);
  }
  // All that were added are being named.
  void Reset(Instant now) {
    last_ = now;
    unnamed_ = 0;
    blobs_ = 0;
  }

 private:
  Instant last_;
  std::uint64_t written_ = 0;
  std::uint64_t unnamed_ = 0;  // bytes of packs that no index names
  std::size_t blobs_ = 0;      // likewise
};

}  // namespace holdfast::repository
