#include "agent/daemon/join_cluster.h"

#include <unistd.h>

#include <optional>
#include <utility>

#include "agent/daemon/identity.h"
#include "agent/daemon/restore_helper.h"
#include "agent/daemon/service_owner.h"
#include "agent/daemon/state_paths.h"
#include "agent/journal/helper_directory.h"
#include "common/base/format.h"
#include "common/bus/join_client.h"
#include "common/bus/join_token.h"
#include "common/io/file_user.h"
#include "common/io/ownership.h"
#include "common/trust/envelope.h"
#include "common/trust/orders.h"
#include "common/trust/root_document.h"
#include "proto/holdfast/v1/trust.pb.h"

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

// Permissions alone would not show a full or read-only file system.
Result<void> CheckCanStore(const std::string& state_dir) {
  Result<void> outcome = CheckIdentityCanBeSaved(state_dir);
  if (outcome || outcome.error().code() != ErrorCode::kDenied) return outcome;
  return Fail(std::move(outcome).error().WithHint(
      "the token has not been used; join as root: holdfast-agent join --token-file FILE"));
}

// The cluster that the token is for. The token does not name it, so it is known only if this node
// has already joined that cluster. Otherwise nullopt.
std::optional<std::string> ClusterOf(const bus::JoinToken& token, const std::string& state_dir) {
  const Result<Identity> former = LoadIdentity(state_dir);
  if (!former) return {};
  const Result<trust::RootDocument> root = trust::RootDocument::Load(former->root);
  if (!root) return {};
  if (root->hash() == token.root_hash) return root->cluster();
  // Not verified here, because a token with an invalid permit does not work anyway.
  const Result<trust::Envelope> envelope =
      trust::DecodeEnvelope(trust::PayloadType::kRejoin, token.permit);
  v1::RejoinPermit permit;
  const bool is_same =
      envelope &&
      permit.ParseFromArray(envelope->payload.data(), static_cast<int>(envelope->payload.size())) &&
      permit.cluster_id() == root->cluster_id();
  return is_same ? std::optional(root->cluster()) : std::nullopt;
}

Result<void> CheckCluster(const AgentSettings& settings, const std::string& cluster) {
  if (settings.cluster.empty() || settings.cluster == cluster) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("this is cluster {}; {} says {}", Quote(cluster), settings.file,
                          Quote(settings.cluster)),
              "remove \"cluster\": an agent with a controller does not need it");
}

// Checks everything on this node that could make the join fail.
Result<void> CheckNode(const bus::JoinToken& token, const AgentSettings& settings) {
  if (::geteuid() == 0) HF_TRY(CheckHelperIdentityCanBeSaved(settings));
  // Root must not write in another user's directory: that user decides where its names lead.
  std::optional<FileUser> owner;
  if (const std::optional<FileOwner> other = ServiceOwner(settings.state_dir)) {
    HF_ASSIGN(FileUser user, FileUser::Become(*other));
    owner.emplace(std::move(user));
  }
  HF_TRY(CheckCanStore(settings.state_dir));
  const std::optional<std::string> cluster = ClusterOf(token, settings.state_dir);
  return cluster ? CheckCluster(settings, *cluster) : Result<void>();
}

// The new keys are only in memory until the identity is stored, so a failure before that loses keys
// that the controller has accepted.
Error AfterAccepted(const Error& error, const std::string& node) {
  const std::string again =
      fmt::format("get a new token with `holdfast agent token {} --rejoin` and join again", node);
  return {error.code(),
          fmt::format("the controller has accepted this node, so the token is used up and the "
                      "node's former agent (if any) can no longer connect, but then joining "
                      "failed: {}",
                      error.message()),
          error.hint().empty() ? again : fmt::format("{}; then {}", error.hint(), again)};
}

// Only root can give the helper a new identity.
std::vector<std::string> HelperWarnings(const AgentSettings& settings) {
  if (::geteuid() == 0) return {};
  const std::string directory = HelperDirectory(settings.state_dir);
  const Result<FileOwner> owner = OwnerOfFile(directory);
  if (!owner || owner->uid == ::geteuid()) return {};
  return {fmt::format(
      "only root can write to {}, so the restore helper has not joined and refuses the restores "
      "that operators order; to change this, get another token with `holdfast agent token {} "
      "--rejoin` and run as root: holdfast-agent join --token-file FILE",
      Quote(directory), settings.node)};
}

// Verifies the controller's answer, and stores the new identity.
Result<JoinReport> Store(const AgentSettings& settings, const bus::JoinToken& token,
                         bus::JoinAnswer answer, crypto::SigningKey signing_key,
                         bus::CurveKeys curve, Random& random) {
  HF_ASSIGN(const trust::RootDocument root,
            trust::RootDocument::VerifyFirst(answer.root, token.root_hash));
  // The connection has proved only that the server has the token's key.
  if (root.bus_key() != token.server_key) {
    return Fail(ErrorCode::kDenied,
                fmt::format("the token's bus key differs from the one in version {} of the root "
                            "document",
                            root.version()));
  }
  HF_TRY(CheckCluster(settings, root.cluster()));
  const Identity identity{.node = token.node,
                          .incarnation = answer.incarnation,
                          .root = std::move(answer.root),
                          .signing_key = std::move(signing_key),
                          .curve = std::move(curve),
                          .endpoint = std::move(answer.endpoint)};
  // The agent must not be able to write the helper's identity, so only root can store it.
  const std::vector<std::string> warnings = HelperWarnings(settings);
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
                    .directory = IdentityDirectory(settings.state_dir),
                    .warnings = warnings};
}

}  // namespace

Result<JoinReport> JoinCluster(const AgentSettings& settings, std::string_view token_text,
                               std::chrono::milliseconds timeout, Random& random,
                               const Clock& clock) {
  HF_ASSIGN(const bus::JoinToken token, bus::DecodeJoinToken(token_text));
  HF_TRY(CheckToken(token, settings, clock.Now()));
  HF_TRY(CheckNode(token, settings));
  crypto::SigningKey signing_key = crypto::SigningKey::Generate(random);
  bus::CurveKeys curve = bus::GenerateCurveKeys(random);

  Result<bus::JoinAnswer> answer =
      bus::Join(token, signing_key.public_key(), curve, clock.Monotonic() + timeout);
  if (!answer) return Fail(std::move(answer).error().While("join " + Quote(token.endpoint)));
  Result<JoinReport> report =
      Store(settings, token, *std::move(answer), std::move(signing_key), std::move(curve), random);
  if (report) return report;
  return Fail(AfterAccepted(report.error(), token.node));
}

}  // namespace holdfast::agent
