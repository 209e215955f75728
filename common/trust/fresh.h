// Freshness: that what an agent believes of its controller and of the time is current. A restore
// needs it. Rules: docs/protocol.md#freshness.
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
// An answer counts for restores when it was asked for no longer ago than this.
inline constexpr std::chrono::milliseconds kFreshAgeMax = std::chrono::minutes(5);

// The agent that orders are for.
struct AgentIdentity {
  std::string node;
  std::uint64_t incarnation = 0;
};

// REQUIRES: a nonce of kNonceBytes.
Bytes SignFresh(const v1::Fresh& fresh, const crypto::SigningKey& controller_key);

// The controller's answer to the `nonce` of `agent`, for the root document in force: take a newer
// one that came along first. kDenied for a signature that is none, another cluster's, agent's or
// nonce's, a life beyond kFreshLife, one that has ended, and another version of the root document.
//
// For who did not ask itself (a second verifier that is handed the answer): `nonce` empty takes
// any.
Result<v1::Fresh> VerifyFresh(ByteView envelope, const RootDocument& root,
                              const AgentIdentity& agent, ByteView nonce, WallTime now);

// What the checks of a plan want to know.
struct Freshness {
  std::optional<std::chrono::nanoseconds> age;  // since the newest good answer was asked for
  bool is_clock_suspect = false;
};

// Of an answer that was handed over after VerifyFresh without a nonce: its age by the calendar
// alone.
Freshness FreshnessOf(const v1::Fresh& fresh, WallTime now);

// The newest answer to a question of one's own.
struct OwnAnswer {
  Instant asked_boot;        // when the question went out, by the clock since boot
  WallTime asked;            // and by the calendar
  WallTime controller_time;  // now_ms of the answer
};
// An answer's age counts by the clock that makes it older: each can miss time that the other saw.
// The clock is suspect when it is behind `latest`, the latest time that it ever showed, or behind
// the answer's by more than the allowance. What the controller says is never part of `latest`: a
// thief's word would stay when the key is long dead.
Freshness FreshnessOf(const std::optional<OwnAnswer>& answer, WallTime latest, Instant boot,
                      WallTime now);

}  // namespace holdfast::trust
