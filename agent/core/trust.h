// Interface for verifying plans and signing reports. The daemon implements it with common/trust.
// Checks: docs/protocol.md#order-of-checks. Called on one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/core/events.h"
#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/trust/refusal.h"
#include "common/trust/replay_guard.h"

namespace holdfast::agent {

// The latest answer to one of our Hellos.
struct FreshAnswer {
  Bytes envelope;
  std::int64_t asked_boot_ms = 0;  // when the Hello with its nonce was sent
  std::int64_t asked_wall_ms = 0;  // the same by the wall clock
  std::int64_t now_ms = 0;         // the controller's clock when it answered
};

struct CheckContext {
  Time now;
  std::int64_t t_max_ms = 0;  // the latest time that our own clock ever showed
  std::uint64_t epoch = 0;    // the highest ever seen
  std::uint64_t incarnation = 0;
  std::optional<FreshAnswer> freshness;
  const trust::ReplayGuard* replay = nullptr;
};

// What the checks found out about an envelope before they stopped.
struct CheckResult {
  // nullopt: obey the plan, unless Plans::Judge() says that it is known.
  std::optional<trust::Refusal> refusal;
  // The checks `size` to `node` passed: a controller signed the plan for this agent, so the fields
  // below are authentic. Otherwise only decodable fields are set, and must not be trusted.
  bool is_authentic = false;
  Bytes plan_id;
  crypto::KeyId key_id{};  // of the controller's key
  std::uint64_t sequence = 0;
  std::uint64_t epoch = 0;
  std::optional<crypto::Digest> hash;  // SHA-256 of the payload, if any
  Bytes payload;                       // a serialised Plan
  OrderKind kind = OrderKind::kBackup;
  std::string run;
  std::int64_t issued_ms = 0;
  std::int64_t expires_ms = 0;
};

class Trust {
 public:
  virtual ~Trust() = default;
  virtual CheckResult Check(ByteView envelope, const CheckContext& context) const = 0;
  // Returns the payload of a Fresh signed for `nonce` by a controller of the current root document.
  virtual Result<Bytes> OpenFresh(ByteView envelope, ByteView nonce, const Time& now) const = 0;
  // The bus key in the current root document.
  virtual Bytes BusKey() const = 0;
  // Verifies and installs the next root document; returns its version and epoch. On error, the
  // current one stays.
  struct Root {
    std::uint64_t version = 0;
    std::uint64_t epoch = 0;
  };
  virtual Result<Root> TakeRoot(ByteView envelope, const Time& now) = 0;
  // Returns an Envelope with a report, signed with this agent's key.
  virtual Bytes SignReport(ByteView payload) const = 0;
};

}  // namespace holdfast::agent
