// The session with the controller: Hello, root documents, lease and heartbeat. Knows StepContext,
// IdentityState and Plans.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/core/identity_state.h"
#include "agent/core/plans.h"
#include "agent/core/step_context.h"
#include "agent/core/trust.h"
#include "common/base/bytes.h"

namespace holdfast::v1 {
class AgentMessage;
class HelloAnswer;
}  // namespace holdfast::v1

namespace holdfast::agent {

class Session {
 public:
  Session(StepContext& step, IdentityState& identity, const Plans& plans);

  // Whether the controller has answered the last Hello.
  bool is_answered() const { return is_answered_; }
  const std::optional<FreshAnswer>& freshness() const { return freshness_; }

  void Start();
  void SayHello();
  // As SayHello(), with the shortest retry time.
  void RestartHello();
  // Says Hello. If the controller has the newest bus key, the former one is refused from now on.
  void HandleConnected(bool is_former_key);
  // Ends the session, and says Hello for the next one.
  void Renew();
  void Send(const v1::AgentMessage& message);
  void Heartbeat();
  void CheckLease();

  // Every well-formed message from the controller extends the lease.
  void ExtendLease() { last_received_ms_ = step_.now.boot_ms; }
  // Returns whether it began a session.
  bool TakeHelloAnswer(const v1::HelloAnswer& answer);
  void TakeHeartbeatAnswer(bool is_hello_wanted);

 private:
  bool TakeRoot(const Bytes& root);
  void SetFormerBusKey(const Bytes& former);
  void CheckController(const v1::HelloAnswer& answer);

  StepContext& step_;
  IdentityState& identity_;
  const Plans& plans_;
  Bytes process_id_;
  Bytes nonce_;
  Time hello_at_;
  std::int64_t hello_retry_ms_ = 0;
  bool is_answered_ = false;
  std::int64_t last_received_ms_ = 0;  // boot
  std::int64_t heartbeat_ms_ = 30'000;
  std::int64_t lease_ms_ = 120'000;
  std::optional<FreshAnswer> freshness_;
  std::string unreadable_outcomes_;  // those the controller cannot read; already logged
};

}  // namespace holdfast::agent
