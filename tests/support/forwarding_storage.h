// Forwards to another storage. Tests override what they count, refuse or disturb.
#pragma once

#include <functional>
#include <string>

#include "common/storage/storage.h"

namespace holdfast::testing {

class ForwardingStorage : public Storage {
 public:
  // `inner` must outlive the object.
  explicit ForwardingStorage(Storage& inner) : inner_(inner) {}
  std::string location() const override { return inner_.location(); }
  unsigned connections_max() const override { return 1; }
  Result<void> Create() override { return {}; }
  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override {
    return inner_.Put(name, content, mode);
  }
  Result<Bytes> Get(const FileName& name, ByteRange range) override {
    return inner_.Get(name, range);
  }
  Result<FileInfo> Stat(const FileName& name) override { return inner_.Stat(name); }
  Result<void> List(FileKind kind, const VisitFile& visit) override {
    return inner_.List(kind, visit);
  }
  Result<void> Remove(const FileName& name) override { return inner_.Remove(name); }
  Result<Leftovers> RemoveLeftovers(const LeftoverSearch& search, const Permit& permit) override {
    return inner_.RemoveLeftovers(search, permit);
  }

 private:
  Storage& inner_;
};

}  // namespace holdfast::testing
