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

// Keeps what an agent knows of freshness. One thread at a time. What must survive a restart is
// latest_time() alone.
class FreshnessKeeper {
 public:
  // `latest_time` is the latest that was ever seen, from the journal; none at the first start.
  explicit FreshnessKeeper(std::optional<WallTime> latest_time);

  // A Hello with this nonce is about to be sent; an answer to an earlier one is none any more.
  void Asked(Bytes nonce, Instant monotonic, WallTime now);
  // VerifyFresh for the nonce asked last. On success it is the newest answer.
  Result<v1::Fresh> Answered(ByteView envelope, const RootDocument& root,
                             const AgentIdentity& agent, WallTime now);

  // Ages count by the clock that makes them older: calendar time runs on while a machine sleeps.
  // The clock is suspect when it is behind latest_time() or the newest answer's now_ms by more than
  // the allowance. Also takes `now` into latest_time().
  Freshness At(Instant monotonic, WallTime now);

  // The latest time of this machine's own clock; to be journalled. The controller's word is not in
  // it: a thief's would stay when the key is long dead.
  std::optional<WallTime> latest_time() const { return latest_time_; }

 private:
  struct Question {
    Bytes nonce;
    Instant monotonic;
    WallTime time;
  };
  struct Answer {
    Question asked;
    WallTime controller_time;
  };
  void Saw(WallTime time);

  std::optional<WallTime> latest_time_;
  std::optional<Question> asked_;
  std::optional<Answer> answered_;
};

}  // namespace holdfast::trust
