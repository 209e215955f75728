// Signing keys and root documents as files. Creation is atomic and never replaces an existing file.
// Only the owner can read private keys.
#pragma once

#include <functional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/crypto/ed25519.h"

namespace holdfast::trust {

// Creates the whole file or nothing; durable when it returns. kAlreadyExists if anything exists at
// `path`, which is left unchanged.
Result<void> CreateFile(const std::string& path, ByteView content, unsigned mode);

// PKCS#8 in PEM, mode 0600; encrypted unless the passphrase is empty. Errors as CreateFile(), and
// kInvalidArgument for a passphrase longer than crypto::kPassphraseBytesMax.
Result<void> CreateSigningKeyFile(const std::string& path, const crypto::SigningKey& key,
                                  const Secret& passphrase, Random& random);
// PEM, mode 0644. Errors as CreateFile().
Result<void> CreatePublicKeyFile(const std::string& path, const crypto::PublicKey& key);

// Called once, and only for an encrypted key.
using AskPassphrase = std::function<Result<Secret>()>;

// kDenied if others may access the file or its group may write it (systemd's credentials are
// readable by the group), or if its passphrase is missing or wrong.
Result<crypto::SigningKey> ReadSigningKeyFile(const std::string& path,
                                              const AskPassphrase& ask_passphrase = {});
Result<crypto::PublicKey> ReadPublicKeyFile(const std::string& path);

}  // namespace holdfast::trust
