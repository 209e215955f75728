// CURVE keys (Curve25519, rfc.zeromq.org/spec/26), which authenticate peers on the bus. In files
// and on paper they are 40 characters of Z85; docs/protocol.md#bus.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"

namespace holdfast::bus {

using CurvePublicKey = std::array<std::uint8_t, 32>;

// A secret key and its public key.
struct CurveKeys {
  CurvePublicKey public_key{};
  Secret secret;  // 32 bytes, not text
};

// Generates a new pair.
CurveKeys GenerateCurveKeys(Random& random);
// The pair of a 32-byte secret; kInvalidArgument for another length.
Result<CurveKeys> CurveKeysOf(Secret secret);

// Z85, 40 characters (rfc.zeromq.org/spec/32).
std::string CurveKeyText(const CurvePublicKey& key);
Result<CurvePublicKey> ParseCurveKey(std::string_view text);

// Writes a file of one line, with mode 0600 for the secret and 0644 for the public key. Replaces an
// existing file atomically and durably.
Result<void> SaveCurveSecret(const std::string& path, const CurveKeys& keys);
Result<void> SaveCurvePublicKey(const std::string& path, const CurvePublicKey& key);
// Loads the pair of a secret's file. kDenied if others may access the file, or if its group may and
// the file has no access list. (systemd's credentials have one.)
Result<CurveKeys> LoadCurveKeys(const std::string& path);
Result<CurvePublicKey> LoadCurvePublicKey(const std::string& path);

}  // namespace holdfast::bus
