// Freshness: whether an agent's view of its controller and of the time is current. Restores need
// it. Rules: docs/protocol.md#freshness.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/crypto/ed25519.h"
#include "common/trust/root_document.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::trust {

inline constexpr std::chrono::milliseconds kFreshLife = std::chrono::hours(1);
// Restores need an answer that was requested at most this long ago.
inline constexpr std::chrono::milliseconds kFreshAgeMax = std::chrono::minutes(5);

// The agent that an order or an answer is for.
struct AgentIdentity {
  std::string node;
  std::uint64_t incarnation = 0;
};

// REQUIRES: a nonce of kNonceBytes.
Bytes SignFresh(const v1::Fresh& fresh, const crypto::SigningKey& controller_key);

// Verifies the controller's answer to the `nonce` of `agent`. The answer must be for the root
// document in force, so accept a newer document that came with it first. kDenied for an invalid
// signature, the wrong cluster, agent, nonce or root version, a life beyond kFreshLife, or an
// expired answer.
//
// An empty `nonce` accepts any. It is for a second verifier that did not request the answer itself.
Result<v1::Fresh> VerifyFresh(ByteView envelope, const RootDocument& root,
                              const AgentIdentity& agent, ByteView nonce, WallTime now);

// Input of a plan's checks.
struct Freshness {
  std::optional<std::chrono::nanoseconds> age;  // since the newest valid answer was requested
  bool is_clock_suspect = false;
};

// Of an answer that was verified without a nonce: its age by the calendar alone.
Freshness FreshnessOf(const v1::Fresh& fresh, WallTime now);

// The newest answer to this agent's own request.
struct RequestedAnswer {
  Instant asked_boot;        // when it was requested, by the clock since boot
  WallTime asked;            // the same by the calendar
  WallTime controller_time;  // now_ms of the answer
};
// The age is the longer one by the two clocks, because each can miss time that the other counted.
// The clock is suspect if it is earlier, by more than the allowance, than `latest`, the latest time
// that it ever showed, or than the answer's time. `latest` never includes a time from the
// controller: a time signed with a stolen key would outlast the key.
Freshness FreshnessOf(const std::optional<RequestedAnswer>& answer, WallTime latest, Instant boot,
                      WallTime now);

}  // namespace holdfast::trust
