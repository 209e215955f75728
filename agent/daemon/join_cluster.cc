#include "agent/daemon/join_cluster.h"

#include <unistd.h>

#include <utility>

#include "agent/daemon/identity.h"
#include "agent/daemon/restore_helper.h"
#include "agent/daemon/service_owner.h"
#include "agent/daemon/state_paths.h"
#include "common/base/format.h"
#include "common/bus/join_client.h"
#include "common/bus/join_token.h"
#include "common/trust/orders.h"
#include "common/trust/root_document.h"

namespace holdfast::agent {
namespace {

constexpr std::string_view kNewToken = "get a new one: holdfast agent token NODE";

Result<void> CheckToken(const bus::JoinToken& token, const AgentSettings& settings, WallTime now) {
  if (token.node != settings.node) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the token is for node {}; this node is {}", Quote(token.node),
                            Quote(settings.node)),
                fmt::format("set \"node\" in {}, or get a token for this node", settings.file));
  }
  const std::int64_t late_ms = trust::UnixMilliseconds(now) - token.expires_at_ms;
  if (late_ms > trust::kClockAllowance.count()) {
    return Fail(ErrorCode::kDenied, "the token has expired", std::string(kNewToken));
  }
  return {};
}

}  // namespace

Result<JoinReport> JoinCluster(const AgentSettings& settings, std::string_view token_text,
                               std::chrono::milliseconds timeout, Random& random,
                               const Clock& clock) {
  HF_ASSIGN(const bus::JoinToken token, bus::DecodeJoinToken(token_text));
  HF_TRY(CheckToken(token, settings, clock.Now()));
  crypto::SigningKey signing_key = crypto::SigningKey::Generate(random);
  bus::CurveKeys curve = bus::GenerateCurveKeys(random);

  Result<bus::JoinAnswer> answer =
      bus::Join(token, signing_key.public_key(), curve, clock.Monotonic() + timeout);
  if (!answer) return Fail(std::move(answer).error().While("join " + Quote(token.endpoint)));
  HF_ASSIGN(const trust::RootDocument root,
            trust::RootDocument::VerifyFirst(answer->root, token.root_hash));
  // The connection has proved only that the server has the token's key.
  if (root.bus_key() != token.server_key) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the token's bus key differs from the one in version {} of the root "
                            "document",
                            root.version()),
                std::string(kNewToken));
  }
  if (!settings.cluster.empty() && settings.cluster != root.cluster()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("this is cluster {}; {} says {}", Quote(root.cluster()), settings.file,
                            Quote(settings.cluster)),
                "remove \"cluster\": an agent with a controller takes it from there");
  }

  const Identity identity{.node = token.node,
                          .incarnation = answer->incarnation,
                          .root = std::move(answer->root),
                          .signing_key = std::move(signing_key),
                          .curve = std::move(curve),
                          .endpoint = std::move(answer->endpoint)};
  // The agent must not be able to write the helper's identity, so only root can store it.
  if (::geteuid() == 0) {
    HF_TRY(SaveHelperIdentity(settings, identity.node, identity.incarnation, identity.root));
  }
  // Root must not write in another user's directory: that user decides where its names lead.
  HF_TRY(BecomeOwnerOfState(settings.state_dir));
  HF_TRY(SaveIdentity(settings.state_dir, identity, random));
  return JoinReport{.cluster = root.cluster(),
                    .cluster_id = root.cluster_id(),
                    .node = identity.node,
                    .incarnation = identity.incarnation,
                    .endpoint = identity.endpoint,
                    .directory = IdentityDirectory(settings.state_dir)};
}

}  // namespace holdfast::agent
