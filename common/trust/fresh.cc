#include "common/trust/fresh.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"
#include "common/protocol/limits.h"
#include "common/protocol/messages.h"
#include "common/trust/orders.h"

namespace holdfast::trust {
namespace {

std::unexpected<Error> RefuseFreshness(std::string message, std::string hint = "") {
  return Fail(ErrorCode::kDenied, "freshness answer " + std::move(message), std::move(hint));
}

Result<void> CheckTimes(const v1::Fresh& fresh, WallTime now) {
  const std::int64_t now_ms = UnixMilliseconds(now);
  if (fresh.now_ms() < 0 || fresh.now_ms() > protocol::kTimeMsMax ||
      fresh.expires_at_ms() < fresh.now_ms() ||
      fresh.expires_at_ms() - fresh.now_ms() > kFreshLife.count()) {
    return RefuseFreshness("is valid for more than an hour");
  }
  if (now_ms - kClockAllowance.count() > fresh.expires_at_ms()) {
    return RefuseFreshness("has expired", "compare the clocks of agent and controller");
  }
  return {};
}

}  // namespace

Bytes SignFresh(const v1::Fresh& fresh, const crypto::SigningKey& controller_key) {
  HF_CHECK(fresh.nonce().size() == kNonceBytes);
  return Sign(PayloadType::kFresh, protocol::EncodeMessage(fresh), controller_key);
}

Result<v1::Fresh> VerifyFresh(ByteView bytes, const RootDocument& root, const AgentIdentity& agent,
                              ByteView nonce, WallTime now) {
  HF_ASSIGN(Envelope envelope,
            root.VerifyEnvelope(PayloadType::kFresh, bytes, v1::ROLE_CONTROLLER, now));
  v1::Fresh fresh;
  HF_TRY(protocol::DecodeMessage(envelope.payload, "freshness", fresh));
  if (fresh.cluster_id() != root.cluster_id()) return RefuseFreshness("is for another cluster");
  if (fresh.node() != agent.node || fresh.incarnation() != agent.incarnation) {
    return RefuseFreshness(fmt::format(
        "is for incarnation {} of node {}; this is incarnation {} of {}", fresh.incarnation(),
        Quote(fresh.node()), agent.incarnation, Quote(agent.node)));
  }
  if (!nonce.empty() && !std::ranges::equal(AsBytes(fresh.nonce()), nonce)) {
    return RefuseFreshness("belongs to another request");
  }
  if (fresh.root_version() != root.version()) {
    return RefuseFreshness(
        fmt::format("names version {} of the root document; this agent has version {}",
                    fresh.root_version(), root.version()),
        "give the older side the newer root document");
  }
  HF_TRY(CheckTimes(fresh, now));
  return fresh;
}

Freshness FreshnessOf(const v1::Fresh& fresh, WallTime now) {
  const std::chrono::nanoseconds age = now - WallTime(std::chrono::milliseconds(fresh.now_ms()));
  return {.age = std::max(age, std::chrono::nanoseconds(0)),
          .is_clock_suspect = age < -std::chrono::nanoseconds(kClockAllowance)};
}

Freshness FreshnessOf(const std::optional<RequestedAnswer>& answer, WallTime latest, Instant boot,
                      WallTime now) {
  Freshness freshness;
  freshness.is_clock_suspect = now < latest - kClockAllowance;
  if (!answer) return freshness;
  freshness.age = std::max(std::chrono::nanoseconds(boot - answer->asked_boot),
                           std::chrono::nanoseconds(now - answer->asked));
  freshness.is_clock_suspect |= now < answer->controller_time - kClockAllowance;
  return freshness;
}

}  // namespace holdfast::trust
