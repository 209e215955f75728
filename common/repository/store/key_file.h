// Key files: the master key, sealed with a key that scrypt derives from a password. Layout:
// docs/repository-format.md#key.
#pragma once

#include <cstddef>
#include <optional>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/crypto/seal.h"
#include "common/repository/format/repository_options.h"
#include "common/repository/store/key_cache.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

// Makes the content of a key file for `master`.
Result<Bytes> MakeKeyFile(const crypto::SealKey& master, const Secret& password,
                          const InitOptions& options, Random& random, const Clock& clock);

// An opened key, and the name of its file.
struct OpenedKey {
  Id file;
  crypto::SealKey master;
};

// Like restic, opening tries at most this many key files, because each takes a large part of a
// second.
inline constexpr std::size_t kKeysTriedMax = 20;

// A key file's content, with verified hash; nullopt if it was removed since it was listed. kCorrupt
// names it.
Result<std::optional<Bytes>> ReadKeyFile(Storage& storage, const FileInfo& file);

// nullopt if the password does not open it. kCorrupt if it is not a key file.
Result<std::optional<crypto::SealKey>> TryKeyFile(ByteView content, const Secret& password,
                                                  Random& random);

// The master key, from the first key file that the password opens; tries the first kKeysTriedMax.
// Keys in `cache` (may be null) need no scrypt. kDenied: the password opens none; kNotFound: there
// is no key file. A broken key file is an error that names it.
Result<OpenedKey> OpenMasterKey(Storage& storage, const Secret& password, Random& random,
                                KeyCache* cache);

}  // namespace holdfast::repository
