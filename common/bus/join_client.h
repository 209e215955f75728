// How a node joins a cluster. docs/protocol.md#join.
#pragma once

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"
#include "common/bus/join_server.h"
#include "common/bus/join_token.h"

namespace holdfast::bus {

// Sends one request and waits for the answer. `keys` and `signing_key` (Ed25519, 32 bytes) become
// the node's identity. kDenied if the controller refuses, or is not the token's; kUnavailable if it
// cannot be reached, or disconnects without an answer. The caller checks that the answer's root
// document matches the token's `root_hash` and `server_key`.
Result<JoinAnswer> Join(const JoinToken& token, ByteView signing_key, const CurveKeys& keys,
                        Instant deadline);

}  // namespace holdfast::bus
