// How the core asks whether to believe, and how it signs. The daemon answers with common/trust;
// what is asked stands in docs/protocol.md#order-of-checks. One thread, no I/O that the core could
// notice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/core/events.h"
#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::agent {

// The latest answer to one of our Hellos.
struct Freshness {
  Bytes envelope = {};
  std::int64_t asked_boot_ms = 0;  // when our Hello with its nonce went out
  std::int64_t asked_wall_ms = 0;  // the same by the calendar
  std::int64_t now_ms = 0;         // the controller's clock when it answered
};

// What is known of the plans that came before. Implemented by the core.
class ReplayGuard {
 public:
  virtual ~ReplayGuard() = default;
  enum class Verdict : std::uint8_t { kNew, kKnown, kOtherBytes, kBelowFloor };
  virtual Verdict Judge(ByteView key_id, ByteView plan_id, std::uint64_t sequence,
                        ByteView hash) const = 0;
};

struct CheckContext {
  Time now = {};
  std::int64_t t_max_ms = 0;  // the latest time that our own clock ever showed
  std::uint64_t epoch = 0;    // the highest ever seen
  std::uint64_t incarnation = 0;
  std::optional<Freshness> freshness = {};
  const ReplayGuard* replay = nullptr;
};

struct Refusal {
  std::string check = {};  // by its name in docs/protocol.md#order-of-checks
  std::string message = {};
  std::string hint = {};
  // A restore that lacks nothing but a recent answer of the controller: ask, then check again.
  bool fresh_answer_helps = false;
};

// What is known of an envelope after the checks, as far as they came.
struct CheckedPlan {
  std::optional<Refusal> refusal = {};
  // The checks `size` to `node` passed: a controller has signed it for this agent, so what follows
  // is its word. Otherwise only what could be decoded is set, and none of it means anything.
  bool authentic = false;
  Bytes plan_id = {};
  Bytes key_id = {};  // of the controller's key
  std::uint64_t sequence = 0;
  std::uint64_t epoch = 0;
  Bytes hash = {};     // SHA-256 of the payload
  Bytes payload = {};  // a serialised Plan
  OrderKind kind = OrderKind::kBackup;
  std::string run = {};
  std::int64_t issued_ms = 0;
  std::int64_t expires_ms = 0;
};

class Trust {
 public:
  virtual ~Trust() = default;
  virtual CheckedPlan Check(ByteView envelope, const CheckContext& context) const = 0;
  // The payload of a Fresh that a controller of the current root has signed, in answer to `nonce`.
  virtual Result<Bytes> OpenFresh(ByteView envelope, ByteView nonce, const Time& now) const = 0;
  // Takes the next root document, signed as it must be; returns its version and epoch. An error
  // leaves the present one.
  struct Root {
    std::uint64_t version = 0;
    std::uint64_t epoch = 0;
  };
  virtual Result<Root> TakeRoot(ByteView envelope, const Time& now) = 0;
  // An Envelope of a report, signed with this agent's key.
  virtual Bytes SignReport(ByteView payload) const = 0;
};

}  // namespace holdfast::agent
