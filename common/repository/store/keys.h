// The opened key of a repository, and everything derived from it. It must not know the storage:
// key_file.h opens key files, and key_list.h adds and removes them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/crypto/seal.h"
#include "common/repository/format/repository_options.h"
#include "common/repository/format/types.h"
#include "common/repository/store/key_file.h"

namespace holdfast::repository {

// Safe to use from several threads.
class Keys {
 public:
  // `random` and `clock` must outlive the object.
  Keys(const OpenedKey& opened, Random& random, const Clock& clock);
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
  ~Keys() { crypto::Wipe(chunker_key_); }

  // The key file that opened the repository.
  const Id& file() const { return opened_.file; }
  // Makes, but does not store, a key file that opens this repository with `password`.
  Result<Bytes> MakeKey(const Secret& password, const InitOptions& options) const {
    return MakeKeyFile(opened_.master, password, options, random_, clock_);
  }
  // Whether a key file opens this very repository with `password`. kCorrupt if it is malformed.
  Result<bool> IsOpenedBy(ByteView key_file, const Secret& password) const;
  // Secret for the content chunker's table.
  const std::array<std::uint8_t, 32>& chunker_key() const { return chunker_key_; }
  // Seals and opens with the repository's key. Busy threads should have one each.
  crypto::Sealer NewSealer() const { return crypto::Sealer(opened_.master, random_); }
  // The same with a key derived for `label`, for files outside the repository. As the key differs,
  // no such file can pass as a file of the repository.
  crypto::Sealer NewLocalSealer(std::string_view label) const {
    return crypto::Sealer(opened_.master.Derive(label), random_);
  }

 private:
  const OpenedKey opened_;
  Random& random_;
  const Clock& clock_;
  std::array<std::uint8_t, 32> chunker_key_{};
};

}  // namespace holdfast::repository
