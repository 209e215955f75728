// Caches opened keys for processes that open repositories repeatedly: scrypt makes each opening
// take a large part of a second.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "common/base/secret.h"
#include "common/crypto/seal.h"
#include "common/crypto/sha256.h"
#include "common/repository/format/types.h"

namespace holdfast::repository {

// Maps a key file and a password to the master key, so a removed key or a former password finds
// nothing. In memory only, wiped with the cache. Safe to use from several threads.
class KeyCache {
 public:
  // `key_file` is the file's name, the hash of its content.
  std::optional<crypto::SealKey> Find(const Id& key_file, const Secret& password) const;
  // Removes another key if there are too many.
  void Add(const Id& key_file, const Secret& password, const crypto::SealKey& master);

 private:
  static constexpr std::size_t kKeysMax = 100;
  using Name = std::pair<Id, crypto::Digest>;

  mutable std::mutex mutex_;
  std::map<Name, crypto::SealKey> keys_;
};

}  // namespace holdfast::repository
