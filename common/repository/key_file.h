// Key files: the master key, sealed with a key that scrypt makes of a password.
// Layout: docs/repository-format.md#key.
#pragma once

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

// The master key by the first key file that opens with the password; at most 20 are tried, as
// restic does, because each takes a good part of a second; what `cache` (may be null) remembers of
// one of them costs nothing. kDenied: none opens; kNotFound: there is none; any key file that is
// broken is an error which names it.
Result<crypto::SealKey> OpenMasterKey(Storage& storage, const Secret& password, Random& random,
                                      KeyCache* cache);

}  // namespace holdfast::repository
