// The chain of signed reports: each is sent until the controller has taken it, and again if the
// controller lost it. Knows StepContext, IdentityState and Session.
#pragma once

#include <cstdint>
#include <deque>

#include "agent/core/events.h"
#include "agent/core/identity_state.h"
#include "agent/core/records.h"
#include "agent/core/session.h"
#include "agent/core/step_context.h"

namespace holdfast::v1 {
class Report;
}  // namespace holdfast::v1

namespace holdfast::agent {

class Reports {
 public:
  Reports(const Loaded& loaded, StepContext& step, IdentityState& identity, Session& session);

  void Start();
  // Numbers, chains, signs and queues a report; returns its sequence. The changes that it reports
  // must be part of the same step.
  std::uint64_t Add(v1::Report report);
  // A session has begun, and the controller has the reports up to `sequence`.
  void Resume(std::uint64_t sequence);
  void HandleTaken(std::uint64_t sequence);
  void Handle(const event::ReportsLoaded& event);
  // Sends everything that is not taken, even if it was sent in this session.
  void SendAgain();
  void HandleResendTimer();
  // Lets the journal delete old reports, and sets the timer for the next time.
  void ForgetOld();

 private:
  void Send();
  void Replay(std::uint64_t first);

  StepContext& step_;
  IdentityState& identity_;
  Session& session_;
  std::deque<ReportRecord> open_;  // not taken by the controller
  std::uint64_t taken_;
  std::uint64_t sent_ = 0;  // newest sequence sent in this session
  std::int64_t resend_ms_ = 0;
  std::uint64_t replay_next_ = 0;
  std::uint64_t replay_until_ = 0;  // last report to send again; 0: not replaying
};

}  // namespace holdfast::agent
