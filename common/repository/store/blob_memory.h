// Bounds the memory of blobs that wait for a BlobWriter.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "common/base/bytes.h"
#include "common/repository/store/blob_writer.h"

namespace holdfast::repository {

// Safe to use from several threads. Must outlive what it returned, and so the writer that has it.
class BlobMemory {
 public:
  // For BlobWriter::SaveLater(). Waits while 24 MiB or more are held; then accepts a blob of any
  // size. REQUIRES: no holder of such a blob waits for the caller.
  SharedBytes Hold(Bytes blob);

 private:
  struct Held;

  std::mutex mutex_;
  std::condition_variable given_back_;
  std::size_t held_bytes_ = 0;
};

}  // namespace holdfast::repository
