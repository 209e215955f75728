// A door tried from outside. No other room includes this header.
#pragma once

#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"

namespace holdfast::bus {

enum class DialOutcome : std::uint8_t { kAccepted, kRefused, kFailed };

// Connects once and says how the handshake ended: refused by the ZAP handler, or failed otherwise.
// Without keys it tries as somebody who knows no CURVE. kTimedOut when nothing was heard.
struct DialKeys {
  CurveKeys own;
  CurvePublicKey server{};
};
Result<DialOutcome> Dial(const std::string& endpoint, const std::optional<DialKeys>& keys,
                         Instant deadline);

// Dials a server of our own with a key that nobody knows, and with no key at all: kInternal unless
// both are refused. Takes milliseconds; at most 10 s.
Result<void> ExpectRefusal(const std::string& endpoint, const CurvePublicKey& server);

}  // namespace holdfast::bus
