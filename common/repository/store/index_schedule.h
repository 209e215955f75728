// Decides when a writer indexes the packs that it has finished.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "common/base/clock.h"
#include "common/repository/format/index_file.h"

namespace holdfast::repository {

// If a writer is killed, its unindexed packs are lost to the next run: at most a minute's work, and
// at most a small part of everything written. A part and not a fixed amount, because every process
// that opens the repository reads every index file, and one per few hundred megabytes would result
// in thousands of them. Used by one thread at a time.
class IndexSchedule {
 public:
  static constexpr std::chrono::minutes kInterval{1};
  static constexpr std::uint64_t kPart = 32;
  static constexpr std::uint64_t kBytesMin = 256U << 20;

  explicit IndexSchedule(Instant now) : last_(now) {}

  // Adds a finished pack.
  void Add(std::uint64_t bytes, std::size_t blobs) {
    written_ += bytes;
    unnamed_ += bytes;
    blobs_ += blobs;
  }
  bool IsDue(Instant now) const {
    return blobs_ >= kIndexBlobsMax || now - last_ >= kInterval ||
           unnamed_ >= std::max(kBytesMin, written_ / kPart);
  }
  // All added packs are being indexed.
  void Reset(Instant now) {
    last_ = now;
    unnamed_ = 0;
    blobs_ = 0;
  }

 private:
  Instant last_;
  std::uint64_t written_ = 0;
  std::uint64_t unnamed_ = 0;  // bytes in packs that are not indexed yet
  std::size_t blobs_ = 0;      // in the same packs
};

}  // namespace holdfast::repository
