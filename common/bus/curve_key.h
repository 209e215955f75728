// CURVE keys (Curve25519, rfc.zeromq.org/spec/26): what proves who speaks on the bus. In files and
// on paper they are text in Z85, 40 characters; docs/protocol.md#bus.
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

// A secret key and the public one that belongs to it.
struct CurveKeys {
  CurvePublicKey public_key{};
  Secret secret;  // 32 bytes, not text
};

// A fresh pair.
CurveKeys GenerateCurveKeys(Random& random);
// The pair of a secret of 32 bytes; kInvalidArgument for another length.
Result<CurveKeys> CurveKeysOf(Secret secret);

// Z85, 40 characters (rfc.zeromq.org/spec/32).
std::string CurveKeyText(const CurvePublicKey& key);
Result<CurvePublicKey> ParseCurveKey(std::string_view text);

// Files of one line. The secret gets mode 0600, the public key 0644; an existing file is replaced,
// atomically and durably.
Result<void> SaveCurveSecret(const std::string& path, const CurveKeys& keys);
Result<void> SaveCurvePublicKey(const std::string& path, const CurvePublicKey& key);
// The pair of a secret's file. kDenied when others may read the file, or its group without an
// access list that says who (which is how systemd hands out credentials).
Result<CurveKeys> LoadCurveKeys(const std::string& path);
Result<CurvePublicKey> LoadCurvePublicKey(const std::string& path);

}  // namespace holdfast::bus
