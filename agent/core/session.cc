#include "agent/core/session.h"

#include <algorithm>
#include <string>

#include "common/base/format.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/protocol/messages.h"
#include "common/trust/orders.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::agent {
namespace {

constexpr std::int64_t kHeartbeatLeastMs = 1'000;

}  // namespace

Session::Session(StepContext& step, IdentityState& identity, const Plans& plans)
    : step_(step), identity_(identity), plans_(plans) {}

void Session::Start() {
  process_id_.resize(16);
  step_.random.Fill(process_id_);
}

void Session::Send(const v1::AgentMessage& message) {
  step_.Perform(action::Send{ToBytes(message.SerializeAsString())});
}

void Session::SayHello() {
  nonce_.resize(16);
  step_.random.Fill(nonce_);
  hello_at_ = step_.now;
  hello_retry_ms_ = hello_retry_ms_ == 0
                        ? step_.options.hello_retry_ms
                        : std::min(2 * hello_retry_ms_, step_.options.hello_retry_max_ms);
  // Jitter, so that 10,000 agents that lost their controller do not all retry at once.
  const auto jitter = static_cast<std::int64_t>(
      RandomBelow(step_.random, static_cast<std::uint64_t>(hello_retry_ms_ / 2)));
  step_.SetTimer(TimerKind::kHello, hello_retry_ms_ + jitter);

  v1::AgentMessage message;
  v1::Hello& hello = *message.mutable_hello();
  const IdentityRecord& identity = identity_.record();
  hello.set_node(identity.node);
  hello.set_incarnation(identity.incarnation);
  hello.set_boot_id(step_.options.boot_id);
  hello.set_process_id(std::string(AsText(process_id_)));
  hello.set_nonce(std::string(AsText(nonce_)));
  hello.set_root_version(identity.root_version);
  hello.set_report_sequence(identity.report_sequence);
  hello.set_report_oldest(identity_.oldest_report());
  hello.set_version(step_.options.version);
  for (const auto& [name, info] : step_.options.sources) {
    v1::ConfiguredSource& source = *hello.add_sources();
    source.set_source(name);
    source.set_repository(info.repository);
    source.set_topology(info.topology);
  }
  for (const std::string& repository : step_.options.repositories)
    hello.add_repositories(repository);
  for (const auto& [id, plan] : plans_.all()) {
    if (plan.record.state == PlanState::kAccepted) hello.add_plans(std::string(AsText(id)));
  }
  for (const std::string_view order : trust::OrderNames())
    hello.add_capabilities(std::string(order));
  Send(message);
}

void Session::RestartHello() {
  hello_retry_ms_ = 0;
  SayHello();
}

void Session::HandleConnected(bool is_former_key) {
  if (!is_former_key && !identity_.record().former_bus_key.empty()) SetFormerBusKey({});
  RestartHello();
}

void Session::SetFormerBusKey(const Bytes& former) {
  identity_.SetFormerBusKey(former);
  step_.Perform(action::UseBusKeys{step_.trust.BusKey(), former});
}

void Session::Renew() {
  is_answered_ = false;
  SayHello();
}

void Session::Heartbeat() {
  if (!is_answered_) return;
  v1::AgentMessage message;
  message.mutable_heartbeat()->set_process_id(std::string(AsText(process_id_)));
  Send(message);
  const auto spread = static_cast<std::uint64_t>(heartbeat_ms_ * 2 / 5);
  step_.SetTimer(
      TimerKind::kHeartbeat,
      heartbeat_ms_ * 4 / 5 + static_cast<std::int64_t>(RandomBelow(step_.random, spread + 1)));
}

void Session::CheckLease() {
  const std::int64_t ends_ms = last_received_ms_ + lease_ms_;
  if (step_.now.boot_ms >= ends_ms) {
    Renew();
  } else {
    step_.SetTimer(TimerKind::kLease, ends_ms - step_.now.boot_ms);
  }
}

// Returns whether it was the next version.
bool Session::TakeRoot(const Bytes& root) {
  const Bytes bus_key = step_.trust.BusKey();
  const Result<Trust::Root> taken = step_.trust.TakeRoot(root, step_.now);
  if (!taken) {
    step_.Warn("the controller's root document is not the next version: " + taken.error().Text());
    return false;
  }
  identity_.SetRoot(root, *taken);
  if (step_.trust.BusKey() != bus_key) SetFormerBusKey(bus_key);
  return true;
}

bool Session::TakeHelloAnswer(const v1::HelloAnswer& answer) {
  const bool is_new_root = !answer.root().empty() && TakeRoot(ToBytes(answer.root()));
  const Bytes envelope = ToBytes(answer.fresh());
  Result<Bytes> payload = step_.trust.OpenFresh(envelope, nonce_, step_.now);
  v1::Fresh fresh;
  if (!payload || !fresh.ParseFromArray(payload->data(), static_cast<int>(payload->size()))) {
    // An answer to an earlier Hello, or not from a controller. Hello is sent again: after a new
    // root document at once, because they arrive one at a time and Fresh verifies only with the
    // newest.
    if (is_new_root) RestartHello();
    return false;
  }
  const std::uint64_t epoch = identity_.record().epoch;
  if (fresh.controller_epoch() < epoch) {
    step_.Warn(fmt::format("the controller has epoch {}, but this agent has seen epoch {}",
                           fresh.controller_epoch(), epoch));
    return false;
  }
  freshness_ = FreshAnswer{envelope, hello_at_.boot_ms, hello_at_.wall_ms, fresh.now_ms()};
  identity_.RaiseEpoch(fresh.controller_epoch());
  is_answered_ = true;
  hello_retry_ms_ = 0;
  nonce_.clear();  // a nonce is used once
  step_.CancelTimer(TimerKind::kHello);
  CheckController(answer);
  heartbeat_ms_ = std::max<std::int64_t>(kHeartbeatLeastMs, answer.heartbeat_ms());
  lease_ms_ = std::max<std::int64_t>(heartbeat_ms_, answer.lease_ms());
  step_.SetTimer(TimerKind::kLease, lease_ms_);
  step_.SetTimer(TimerKind::kHeartbeat, heartbeat_ms_ * 4 / 5);
  return true;
}

// Warns early: the controller fails the task of a report that it cannot read.
void Session::CheckController(const v1::HelloAnswer& answer) {
  std::string missing;
  for (const std::string_view outcome : protocol::OutcomeNames()) {
    if (std::ranges::find(answer.capabilities(), outcome) != answer.capabilities().end()) continue;
    missing += fmt::format("{}{}", missing.empty() ? "" : ", ", outcome);
  }
  if (missing == unreadable_outcomes_) return;
  unreadable_outcomes_ = missing;
  if (missing.empty()) return;
  step_.Warn(
      fmt::format("the controller, version {}, cannot read some outcomes that this agent reports: "
                  "{}; upgrade the controller",
                  Quote(answer.version()), missing));
}

void Session::TakeHeartbeatAnswer(bool is_hello_wanted) {
  // Not while a Hello is pending: a new nonce would invalidate its answer.
  const bool is_under_way =
      !is_answered_ && step_.now.boot_ms - hello_at_.boot_ms < step_.options.hello_retry_ms;
  if (!is_hello_wanted || is_under_way) return;
  is_answered_ = false;
  RestartHello();
}

}  // namespace holdfast::agent
