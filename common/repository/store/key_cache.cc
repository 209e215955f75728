#include "common/repository/store/key_cache.h"

#include "common/base/bytes.h"

namespace holdfast::repository {

std::optional<crypto::SealKey> KeyCache::Find(const Id& key_file, const Secret& password) const {
  const Name name(key_file, crypto::Sha256Of(AsBytes(password.Reveal())));
  std::lock_guard lock(mutex_);
  const auto found = keys_.find(name);
  return found == keys_.end() ? std::nullopt : std::optional(found->second);
}

void KeyCache::Add(const Id& key_file, const Secret& password, const crypto::SealKey& master) {
  const Name name(key_file, crypto::Sha256Of(AsBytes(password.Reveal())));
  std::lock_guard lock(mutex_);
  if (keys_.size() >= kKeysMax && !keys_.contains(name)) keys_.erase(keys_.begin());
  keys_[name] = master;
}

}  // namespace holdfast::repository
