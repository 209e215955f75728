// Blobs that lie in memory until a BlobWriter has made them, and not too many of them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "common/base/bytes.h"
#include "common/repository/blob_writer.h"

namespace holdfast::repository {

// Safe to use from several threads. Outlives what it gave, and so the writer that has it.
class BlobMemory {
 public:
  // For BlobWriter::SaveLater(). Waits while blobs of 24 MiB together are held; one that is larger
  // still has room when the others are gone. REQUIRES: nobody who holds some waits for the caller.
  SharedBytes Hold(Bytes blob);

 private:
  struct Held;

  std::mutex mutex_;
  std::condition_variable given_back_;
  std::size_t held_bytes_ = 0;
};

}  // namespace holdfast::repository
