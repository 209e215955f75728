#include "common/repository/store/blob_memory.h"

#include <memory>
#include <utility>

namespace holdfast::repository {
namespace {

constexpr std::size_t kHeldBytesMax = 24U << 20;

}  // namespace

struct BlobMemory::Held {
  Held(Bytes blob, BlobMemory& owner) : bytes(std::move(blob)), memory(owner) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    std::lock_guard lock(memory.mutex_);
    memory.held_bytes_ -= bytes.size();
    memory.given_back_.notify_all();
  }

  const Bytes bytes;
  BlobMemory& memory;
};

SharedBytes BlobMemory::Hold(Bytes blob) {
  {
    std::unique_lock lock(mutex_);
    given_back_.wait(lock, [this] { return held_bytes_ < kHeldBytesMax; });
    held_bytes_ += blob.size();
  }
  auto held = std::make_shared<const Held>(std::move(blob), *this);
  const ByteView bytes = held->bytes;
  return {bytes, std::move(held)};
}

}  // namespace holdfast::repository
