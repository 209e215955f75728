#include "controller/daemon/agent_keys.h"

#include <algorithm>

namespace holdfast::controller {

void AgentKeys::Set(const std::string& name, ByteView bytes) {
  bus::CurvePublicKey key{};
  HF_CHECK(bytes.size() == key.size());
  std::ranges::copy(bytes, key.begin());
  std::lock_guard lock(mutex_);
  if (const auto old = keys_.find(name); old != keys_.end()) names_.erase(old->second);
  keys_[name] = key;
  names_[key] = name;
}

void AgentKeys::Remove(const std::string& name) {
  std::lock_guard lock(mutex_);
  const auto old = keys_.find(name);
  if (old == keys_.end()) return;
  names_.erase(old->second);
  keys_.erase(old);
}

std::optional<std::string> AgentKeys::NodeOf(const bus::CurvePublicKey& key) {
  std::lock_guard lock(mutex_);
  const auto found = names_.find(key);
  if (found == names_.end()) return std::nullopt;
  return found->second;
}

}  // namespace holdfast::controller
