#include "agent/daemon/agent_trust.h"

#include <chrono>
#include <optional>
#include <utility>

#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/trust/envelope.h"
#include "common/trust/plan_verifier.h"

namespace holdfast::agent {
namespace {

WallTime WallTimeOf(std::int64_t unix_ms) { return WallTime(std::chrono::milliseconds(unix_ms)); }

Instant InstantOf(std::int64_t ms) { return Instant(std::chrono::milliseconds(ms)); }

trust::Freshness FreshnessOf(const CheckContext& context) {
  std::optional<trust::RequestedAnswer> answer;
  if (context.freshness) {
    answer = {.asked_boot = InstantOf(context.freshness->asked_boot_ms),
              .asked = WallTimeOf(context.freshness->asked_wall_ms),
              .controller_time = WallTimeOf(context.freshness->now_ms)};
  }
  return trust::FreshnessOf(answer, WallTimeOf(context.t_max_ms), InstantOf(context.now.boot_ms),
                            WallTimeOf(context.now.wall_ms));
}

}  // namespace

Result<void> StoreRoot(const std::string& roots_directory, const trust::RootDocument& root) {
  return WriteFileAtomic(fmt::format("{}/{}.holdfast", roots_directory, root.version()),
                         root.envelope(), 0640);
}

AgentTrust::AgentTrust(trust::RootDocument root, crypto::SigningKey key,
                       trust::AgentIdentity identity, const trust::LocalPolicy& policy,
                       std::string roots_directory)
    : root_(std::move(root)),
      key_(std::move(key)),
      identity_(std::move(identity)),
      policy_(policy),
      roots_directory_(std::move(roots_directory)) {}

CheckResult AgentTrust::Check(ByteView envelope, const CheckContext& context) const {
  HF_CHECK(context.replay != nullptr);
  const trust::PlanContext asked{.root = root_,
                                 .agent = identity_,
                                 .epoch_highest = context.epoch,
                                 .now = WallTimeOf(context.now.wall_ms),
                                 .freshness = FreshnessOf(context),
                                 .guard = *context.replay,
                                 .policy = policy_};
  trust::CheckedPlan checked = trust::CheckPlan(envelope, asked);

  CheckResult plan;
  plan.refusal = std::move(checked.refusal);
  plan.is_authentic = checked.is_authentic;
  plan.plan_id = ToBytes(checked.plan.plan_id());
  plan.key_id = checked.controller_key;
  plan.sequence = checked.plan.sequence();
  plan.epoch = checked.plan.controller_epoch();
  plan.hash = checked.hash;
  plan.payload = std::move(checked.payload);
  // The enums have the same values, see proto/holdfast/v1/trust.proto.
  if (checked.kind != v1::ORDER_KIND_UNSPECIFIED) plan.kind = static_cast<OrderKind>(checked.kind);
  plan.run = checked.plan.run();
  plan.issued_ms = checked.plan.issued_at_ms();
  plan.expires_ms = checked.plan.expires_at_ms();
  return plan;
}

Result<Bytes> AgentTrust::OpenFresh(ByteView envelope, ByteView nonce, const Time& now) const {
  HF_TRY(trust::VerifyFresh(envelope, root_, identity_, nonce, WallTimeOf(now.wall_ms)));
  HF_ASSIGN(trust::Envelope decoded, trust::DecodeEnvelope(trust::PayloadType::kFresh, envelope));
  return std::move(decoded.payload);
}

Bytes AgentTrust::BusKey() const { return {root_.bus_key().begin(), root_.bus_key().end()}; }

Result<Trust::Root> AgentTrust::TakeRoot(ByteView envelope, const Time& now) {
  HF_ASSIGN(trust::RootDocument next, root_.VerifyNext(envelope, WallTimeOf(now.wall_ms)));
  if (!roots_directory_.empty()) HF_TRY(StoreRoot(roots_directory_, next));
  root_ = std::move(next);
  return Root{root_.version(), root_.epoch()};
}

Bytes AgentTrust::SignReport(ByteView payload) const {
  return trust::Sign(trust::PayloadType::kReport, payload, key_);
}

}  // namespace holdfast::agent
