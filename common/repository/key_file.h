// Key files: the master key, sealed with a key that scrypt makes of a password.
// Layout: docs/repository-format.md#key.
#pragma once

#include <cstddef>
#include <optional>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/crypto/seal.h"
#include "common/repository/key_cache.h"
#include "common/repository/repository.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

// A key file's content for `master`.
Result<Bytes> MakeKeyFile(const crypto::SealKey& master, const Secret& password,
                          const InitOptions& options, Random& random, const Clock& clock);

// A key that was opened, and the name of its file.
struct OpenedKey {
  Id file;
  crypto::SealKey master;
};

// Opening tries no more key files than these, as restic does, because each takes a good part of a
// second.
inline constexpr std::size_t kKeysTriedMax = 20;

// A key file's content, its hash verified; nullopt when somebody removed it since it was listed.
// kCorrupt names it.
Result<std::optional<Bytes>> ReadKeyFile(Storage& storage, const FileInfo& file);

// nullopt when the password does not open it. kCorrupt for what is no key file.
Result<std::optional<crypto::SealKey>> TryKeyFile(ByteView content, const Secret& password,
                                                  Random& random);

// The master key by the first key file that opens with the password, of the first
// kKeysTriedMax; what `cache` (may be null) remembers of one of them costs nothing. kDenied: none
// opens; kNotFound: there is none; any key file that is broken is an error which names it.
Result<OpenedKey> OpenMasterKey(Storage& storage, const Secret& password, Random& random,
                                KeyCache* cache);

}  // namespace holdfast::repository
