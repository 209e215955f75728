// A node's side of joining. docs/protocol.md#join.
#pragma once

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"
#include "common/bus/join_server.h"
#include "common/bus/join_token.h"

namespace holdfast::bus {

// Asks once and waits for the answer. `keys` and `signing_key` (Ed25519, 32 bytes) are what the
// node will be known by. kDenied when the controller refuses or is another than the token's;
// kUnavailable when it cannot be reached, or hangs up without a word. Whether the answer's root
// document is the one of the token's `root_hash` is the caller's to check.
Result<JoinAnswer> Join(const JoinToken& token, ByteView signing_key, const CurveKeys& keys,
                        Instant deadline);

}  // namespace holdfast::bus
