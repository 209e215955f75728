#include "controller/core/membership.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::controller {
namespace {

constexpr std::size_t kNodeNameBytesMax = 64;

// As in an agent's configuration. It is also a file name in snapshots and on the controller.
bool IsNodeName(std::string_view name) {
  constexpr std::string_view kBegins =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  return !name.empty() && name.size() <= kNodeNameBytesMax &&
         kBegins.find(name.front()) != std::string_view::npos &&
         name.find_first_not_of(std::string(kBegins) + "._-") == std::string_view::npos;
}

// docs/protocol.md#join
Bytes JoinTranscript(const v1::JoinRequest& request) {
  Bytes transcript = ToBytes("holdfast join 1\n");
  for (const std::string& field : {request.node(), request.signing_key(), request.curve_key()}) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      transcript.push_back(static_cast<std::uint8_t>(field.size() >> shift));
    }
    transcript.insert(transcript.end(), field.begin(), field.end());
  }
  return transcript;
}

Error HasJoined(const std::string& node) {
  return Error(ErrorCode::kAlreadyExists, fmt::format("node {} has joined before", Quote(node)))
      .WithHint(fmt::format("to replace its agent, an operator must sign the token: "
                            "holdfast agent token {} --rejoin",
                            node));
}

Error HasNotJoined(const std::string& node) {
  return Error(ErrorCode::kNotFound, fmt::format("node {} has not joined yet", Quote(node)))
      .WithHint(fmt::format("to create its first token: holdfast agent token {}", node));
}

}  // namespace

Membership::Membership(StepContext& step, Cluster& cluster, Runs& runs, const Loaded& loaded)
    : step_(step), cluster_(cluster), runs_(runs) {
  for (const TokenRecord& token : loaded.tokens) tokens_[token.node] = token;
}

void Membership::Resume() {
  for (const auto& [node, token] : tokens_) {
    step_.SetTimer(TimerKind::kToken, step_.MsUntil(token.expires_ms), node);
  }
}

void Membership::ExpireToken(const std::string& node) {
  tokens_.erase(node);
  step_.Put(RemoveToken{node});
  step_.Audit("token.expired", "controller", node, "");
}

void Membership::Handle(const event::TokenMinted& event) {
  const Agent* agent = cluster_.Find(event.node);
  if (!IsNodeName(event.node) || event.secret_hash.size() != 32) {
    step_.Reply(
        event.request,
        Fail(ErrorCode::kInvalidArgument,
             fmt::format("{} is not a valid node name; expected letters, digits, \".\", \"_\" and "
                         "\"-\", at most {} of them",
                         Quote(event.node), kNodeNameBytesMax),
             "use the node's host name"));
    return;
  }
  if ((agent != nullptr) != event.rejoin) {
    step_.Reply(event.request,
                Fail(agent != nullptr ? HasJoined(event.node) : HasNotJoined(event.node)));
    return;
  }
  if (tokens_.size() >= step_.options().tokens_max && !tokens_.contains(event.node)) {
    step_.Reply(event.request,
                Fail(ErrorCode::kBusy, "unused: " + FormatCount(tokens_.size(), "token"),
                     "they expire after 15 minutes"));
    return;
  }
  TokenRecord& token = tokens_[event.node];
  token = {event.node, event.secret_hash, event.actor, step_.now().wall_ms,
           step_.now().wall_ms + step_.options().token_life_ms};
  step_.SetTimer(TimerKind::kToken, step_.options().token_life_ms, event.node);
  step_.Put(token);
  step_.Audit("token.minted", event.actor, event.node, "",
              {{"rejoin", agent == nullptr ? "false" : "true"}});
  step_.Reply(event.request, Answer{.expires_ms = token.expires_ms});
}

void Membership::Handle(const event::JoinReceived& event) {
  action::JoinReply reply{.connection = event.connection};
  v1::JoinRequest request;
  const bool is_request =
      request.ParseFromArray(event.message.data(), static_cast<int>(event.message.size())) &&
      request.signing_key().size() == 32 && request.curve_key().size() == 32;
  const auto token = is_request ? tokens_.find(request.node()) : tokens_.end();
  // One answer to all errors, so that it does not reveal which nodes are expected.
  bool is_good = token != tokens_.end() && token->second.expires_ms >= step_.now().wall_ms;
  if (is_good) {
    const crypto::Digest mac =
        crypto::HmacSha256(token->second.secret_hash, JoinTranscript(request));
    is_good = crypto::EqualInConstantTime(mac, AsBytes(request.mac()));
  }
  if (!is_good) {
    reply.refused = "the token is unknown, used or expired";
  } else if (AreKeysOfOtherNode(request)) {
    reply.refused = "another node has these keys";
  } else if (const Result<std::string> person = CheckPermit(token->second, request); !person) {
    reply.refused = fmt::format("{}; {}", person.error().message(), person.error().hint());
    step_.Warn(fmt::format("refused to let {} join again: {}", Quote(request.node()),
                           person.error().message()));
  } else {
    Join(request, token->second, *person, reply);
    tokens_.erase(token);
  }
  step_.Perform(std::move(reply));
}

bool Membership::AreKeysOfOtherNode(const v1::JoinRequest& request) const {
  return std::ranges::any_of(cluster_.agents(), [&](const auto& entry) {
    const AgentRecord& other = entry.second.record;
    return entry.first != request.node() &&
           (crypto::EqualInConstantTime(other.signing_key, AsBytes(request.signing_key())) ||
            crypto::EqualInConstantTime(other.curve_key, AsBytes(request.curve_key())));
  });
}

Result<std::string> Membership::CheckPermit(const TokenRecord& token,
                                            const v1::JoinRequest& request) {
  const Agent* known = cluster_.Find(request.node());
  if (known == nullptr) return "";
  if (request.permit().empty()) return Fail(HasJoined(request.node()));
  const std::string hint =
      fmt::format("create a new token: holdfast agent token {} --rejoin", request.node());
  Result<OpenedPermit> permit =
      step_.trust().OpenPermit(AsBytes(request.permit()), step_.now().wall_ms);
  if (!permit) return Fail(std::move(permit).error().WithHint(hint));
  if (permit->node == request.node() && permit->incarnation == known->record.incarnation &&
      permit->secret_hash == token.secret_hash) {
    return std::move(permit->person);
  }
  return Fail(ErrorCode::kDenied, "the rejoin permit is for another node, incarnation or token",
              hint);
}

void Membership::Join(const v1::JoinRequest& request, const TokenRecord& token,
                      const std::string& person, action::JoinReply& reply) {
  const std::string& node = request.node();
  Agent& agent = cluster_.agents()[node];
  // The node is another agent now, and knows nothing that the former one received.
  runs_.FailTasksOf(agent, "the node has joined again");
  AgentRecord record{.node = node,
                     .incarnation = agent.record.incarnation + 1,
                     .signing_key = ToBytes(request.signing_key()),
                     .curve_key = ToBytes(request.curve_key()),
                     .joined_ms = step_.now().wall_ms,
                     .last_seen_ms = step_.now().wall_ms,
                     .plan_sequence = agent.record.plan_sequence};
  agent = Agent{};
  agent.record = std::move(record);
  agent.last_received_ms = step_.now().mono_ms;
  step_.SetTimer(TimerKind::kLease, cluster_.LeaseMs(), node);
  cluster_.MarkChanged(node);
  step_.Put(RemoveToken{node});
  step_.CancelTimer(TimerKind::kToken, node);
  std::map<std::string, std::string> facts = {
      {"incarnation", std::to_string(agent.record.incarnation)},
      {"signing_key", HexEncode(agent.record.signing_key)}};
  if (!person.empty()) facts["person"] = person;
  step_.Audit("agent.joined", token.requester, node, "", std::move(facts),
              person.empty() ? Bytes{} : ToBytes(request.permit()));
  reply.node = node;
  reply.incarnation = agent.record.incarnation;
  reply.root = cluster_.record().root;
  reply.curve_key = agent.record.curve_key;
}

void Membership::Handle(const event::AgentRevoked& event) {
  Agent* agent = cluster_.Find(event.node);
  if (agent == nullptr || agent->record.revoked) {
    step_.Reply(event.request, Fail(cluster_.UnknownNode(event.node)));
    return;
  }
  runs_.FailTasksOf(*agent, "the node's agent was revoked");
  agent->record.revoked = true;
  agent->is_present = false;
  agent->unanswered.clear();
  step_.CancelTimer(TimerKind::kLease, event.node);
  cluster_.MarkChanged(event.node);
  step_.Audit("agent.revoked", event.actor, event.node, "");
  step_.Perform(action::RevokeAccess{event.node});
  step_.Reply(event.request, Answer{});
}

void Membership::Handle(const event::RootChanged& event) {
  if (event.version <= cluster_.record().root_version) {
    step_.Reply(event.request,
                Fail(ErrorCode::kAlreadyExists, fmt::format("root document {} is already in force",
                                                            cluster_.record().root_version)));
    return;
  }
  cluster_.SetRoot(event.version, event.epoch, event.envelope);
  step_.Audit("trust.changed", event.actor, cluster_.record().cluster, "",
              {{"root_version", std::to_string(event.version)}}, event.envelope);
  // Connected agents get it with their next Hello, so request one.
  v1::ControllerMessage message;
  message.mutable_heartbeat_answer()->set_say_hello(true);
  for (const auto& [node, agent] : cluster_.agents()) cluster_.Send(agent, message);
  step_.Reply(event.request, Answer{});
}

}  // namespace holdfast::controller
