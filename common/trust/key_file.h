// Signing keys and root documents as files: made whole, never over one that is there, private ones
// closed to everybody else.
#pragma once

#include <functional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/crypto/ed25519.h"

namespace holdfast::trust {

// Durable when it returns. kAlreadyExists when there is anything at `path`, which stays as it is;
// after any error there is nothing new.
Result<void> CreateFile(const std::string& path, ByteView content, unsigned mode);

// PKCS#8 in PEM with mode 0600; encrypted when the passphrase is not empty. Errors as CreateFile's,
// and kInvalidArgument for a passphrase beyond crypto::kPassphraseBytesMax.
Result<void> CreateSigningKeyFile(const std::string& path, const crypto::SigningKey& key,
                                  const Secret& passphrase, Random& random);
// PEM with mode 0644. Errors as CreateFile's.
Result<void> CreatePublicKeyFile(const std::string& path, const crypto::PublicKey& key);

// Asked once, and only for a key that is encrypted.
using AskPassphrase = std::function<Result<Secret>()>;

// kDenied when others than owner and group may read the file (systemd shows credentials as readable
// by the group), or its passphrase is missing or wrong.
Result<crypto::SigningKey> ReadSigningKeyFile(const std::string& path,
                                              const AskPassphrase& ask_passphrase = {});
Result<crypto::PublicKey> ReadPublicKeyFile(const std::string& path);

}  // namespace holdfast::trust
