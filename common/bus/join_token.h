// What a node needs to join a cluster, as one line of text, and how it proves that it has it.
// docs/protocol.md#join. Pure: nothing here reads a clock or a network.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/bus/curve_key.h"
#include "common/crypto/sha256.h"

namespace holdfast::bus {

struct JoinToken {
  std::string node;
  std::string endpoint;            // of the join socket
  CurvePublicKey server_key{};     // of the join socket
  crypto::Digest root_hash{};      // SHA-256 of the root document's payload
  Secret secret;                   // 32 bytes, good once
  std::int64_t expires_at_ms = 0;  // since 1970, by the controller's clock
};

// "hf1." and base64. Whoever has the text can join as that node.
Secret EncodeJoinToken(const JoinToken& token);
// Spaces and line ends around the text do no harm. kInvalidArgument for anything else that
// EncodeJoinToken would not have written.
Result<JoinToken> DecodeJoinToken(std::string_view text);

// What the controller keeps of a token's secret, and the key of the mac: SHA-256 of it.
crypto::Digest JoinSecretHash(const Secret& secret);

// What the mac covers. `signing_key` is the Ed25519 one of the node.
Bytes JoinTranscript(std::string_view node, ByteView signing_key, ByteView curve_key);
crypto::Digest JoinMac(const crypto::Digest& secret_hash, ByteView transcript);

}  // namespace holdfast::bus
