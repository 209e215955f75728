// What a node needs to join a cluster, as one line of text, and how it proves that it has it.
// docs/protocol.md#join. Pure: reads no clock and no network.
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
  CurvePublicKey server_key{};     // of the join socket: the root document's bus key
  crypto::Digest root_hash{};      // SHA-256 of the root document's payload
  Secret secret;                   // 32 bytes, single use
  std::int64_t expires_at_ms = 0;  // since 1970, by the controller's clock
  // Envelope of an operator's RejoinPermit, for a node that has joined before; otherwise empty.
  Bytes permit;
};

// "hf1." and base64. Anyone who has the text can join as that node.
Secret EncodeJoinToken(const JoinToken& token);
// Ignores white space around the text. kUnsupported for a token with essential fields that this
// version does not know; kInvalidArgument for any other text that is not a join token.
Result<JoinToken> DecodeJoinToken(std::string_view text);

// SHA-256 of a token's secret: what the controller stores, and the key of the mac.
crypto::Digest JoinSecretHash(const Secret& secret);

// The bytes that the mac covers. `signing_key` is the node's Ed25519 key.
Bytes JoinTranscript(std::string_view node, ByteView signing_key, ByteView curve_key);
crypto::Digest JoinMac(const crypto::Digest& secret_hash, ByteView transcript);

}  // namespace holdfast::bus
