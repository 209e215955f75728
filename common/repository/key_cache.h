// Keys that were opened once, for who opens repositories again and again: scrypt makes each opening
// take a good part of a second.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "common/base/secret.h"
#include "common/crypto/seal.h"
#include "common/crypto/sha256.h"
#include "common/repository/types.h"

namespace holdfast::repository {

// Remembers what a key file and a password gave; so a key that was removed from its repository, and
// a password that has changed, find nothing here. In memory only, wiped with the cache. Safe to use
// from several threads.
class KeyCache {
 public:
  // `key_file` is the file's name, the hash of its content.
  std::optional<crypto::SealKey> Find(const Id& key_file, const Secret& password) const;
  // Makes room for it by forgetting another one where there are too many.
  void Add(const Id& key_file, const Secret& password, const crypto::SealKey& master);

 private:
  static constexpr std::size_t kKeysMax = 100;
  using Name = std::pair<Id, crypto::Digest>;

  mutable std::mutex mutex_;
  std::map<Name, crypto::SealKey> keys_;
};

}  // namespace holdfast::repository
