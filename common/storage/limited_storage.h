// Limits the rate at which content is transferred.
#pragma once

#include <memory>
#include <string>

#include "common/base/rate_limit.h"
#include "common/storage/retry_storage.h"
#include "common/storage/storage.h"

namespace holdfast {

// Put() waits before it sends, Get() before it returns. The limits hold over some seconds; within a
// second a whole pack may pass. Names, sizes and removals do not count. Locks never wait, because
// other programs judge them by their age.
class LimitedStorage final : public Storage {
 public:
  LimitedStorage(std::unique_ptr<Storage> inner, RateLimits read, RateLimits write, Pause pause)
      : inner_(std::move(inner)),
        read_(std::move(read)),
        write_(std::move(write)),
        pause_(std::move(pause)) {}

  std::string location() const override { return inner_->location(); }
  unsigned connections_max() const override { return inner_->connections_max(); }
  Result<void> Create() override { return inner_->Create(); }
  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override;
  Result<Bytes> Get(const FileName& name, ByteRange range) override;
  Result<FileInfo> Stat(const FileName& name) override { return inner_->Stat(name); }
  Result<void> List(FileKind kind, const VisitFile& visit) override {
    return inner_->List(kind, visit);
  }
  Result<void> Remove(const FileName& name) override { return inner_->Remove(name); }
  Result<Leftovers> RemoveLeftovers(const LeftoverSearch& search, const Permit& permit) override {
    return inner_->RemoveLeftovers(search, permit);
  }

 private:
  const std::unique_ptr<Storage> inner_;
  const RateLimits read_;
  const RateLimits write_;
  const Pause pause_;
};

}  // namespace holdfast
