// Connects to a server to test it. No other room includes this header.
#pragma once

#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/bus/curve_key.h"

namespace holdfast::bus {

enum class DialOutcome : std::uint8_t { kAccepted, kRefused, kFailed };

// Connects once and returns how the handshake ended: refused by the ZAP handler, or failed
// otherwise. Without keys, connects without CURVE. kTimedOut if there is no answer.
struct DialKeys {
  CurveKeys own;
  CurvePublicKey server{};
};
Result<DialOutcome> Dial(const std::string& endpoint, const std::optional<DialKeys>& keys,
                         Instant deadline);

// Connects to our own server with an unknown key, and without a key: kInternal unless both are
// refused. Takes milliseconds; at most 10 s.
Result<void> ExpectRefusal(const std::string& endpoint, const CurvePublicKey& server);

}  // namespace holdfast::bus
